import { type Clock, delay } from '@runner-core/fleeting'
import { isOfAttempt } from '../containers/container-names.ts'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import { attemptLabel } from './labels.ts'

export interface RemoveAttemptOptions {
  /** Anonymous volumes of containers stay. @defaultValue false */
  readonly keepsVolumes?: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Between two looks whether what is in use, or is being removed by another call, has gone. */
const pauseMs = 200
/** How often it is looked for in vain. */
const maxLooks = 50

/**
 * Removes every container of an attempt, then its networks and volumes, and resolves once none is left: what another
 * call removes, as that of its services, is waited for. Rejects with the first `EngineError` once all was tried, and
 * with the signal's reason.
 */
export async function removeAttempt(
  engine: Engine,
  attempt: string,
  { keepsVolumes = false, clock, signal }: RemoveAttemptOptions,
): Promise<void> {
  const filters = { label: [`${attemptLabel}=${attempt}`] }
  const during = `removing what attempt ${attempt} left`
  const kinds: readonly Kind[] = [
    {
      list: async () => {
        const all = await engine.call(during, signal, (docker, abortSignal) =>
          docker.listContainers({ all: true, filters, abortSignal }),
        )
        return all.flatMap(({ Id: id, Names: names }) => (isOfAttempt(names, attempt) ? [id] : []))
      },
      remove: (id) =>
        engine.call(during, signal, (docker, abortSignal) =>
          docker.getContainer(id).remove({ force: true, v: !keepsVolumes, abortSignal }),
        ),
    },
    {
      list: async () => {
        const all = await engine.call(during, signal, (docker, abortSignal) =>
          docker.listNetworks({ filters, abortSignal }),
        )
        return all.map(({ Id: id }) => id)
      },
      remove: (id) =>
        engine.call(during, signal, (docker, abortSignal) => docker.getNetwork(id).remove({ abortSignal })),
    },
    {
      list: async () => {
        const { Volumes: all } = await engine.call(during, signal, (docker, abortSignal) =>
          docker.listVolumes({ filters, abortSignal }),
        )
        return (all ?? []).map(({ Name: name }) => name)
      },
      remove: (name) =>
        engine.call(during, signal, (docker, abortSignal) => docker.getVolume(name).remove({ abortSignal })),
    },
  ]
  let failure: EngineError | undefined
  for (const kind of kinds) {
    const own = await removeAll(kind, engine, clock, signal)
    failure ??= own
  }
  if (failure !== undefined) throw failure
}

interface Kind {
  readonly list: () => Promise<readonly string[]>
  readonly remove: (id: string) => Promise<unknown>
}

/** What is in the way. */
async function removeAll(
  { list, remove }: Kind,
  // It answers as if it had failed where a container is just being stopped.
  { isPodman }: Pick<Engine, 'isPodman'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<EngineError | undefined> {
  for (let looks = 1; ; looks++) {
    const left = await list()
    const failures = (await Promise.all(left.map((each) => failureOf(remove(each))))).filter(
      (each) => each !== undefined,
    )
    const lasting = failures.find(({ code }) => code !== 'conflict' && !(isPodman && code === 'failed'))
    if (failures.length === 0 || lasting !== undefined || looks === maxLooks) return lasting ?? failures[0]
    await delay(clock, pauseMs, signal)
  }
}

async function failureOf(removing: Promise<unknown>): Promise<EngineError | undefined> {
  try {
    await removing
    return undefined
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    return error.code === 'not_found' ? undefined : error
  }
}
