import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import { attemptLabel } from './labels.ts'

/**
 * Removes every container of an attempt, then its networks and `volumes`. What is gone already is fine. `keepsVolumes`:
 * anonymous volumes stay. Rejects with `EngineError` once all was tried, and with the signal's reason.
 */
export async function removeAttempt(
  engine: Engine,
  attempt: string,
  {
    keepsVolumes = false,
    volumes = [],
    signal,
  }: { readonly keepsVolumes?: boolean; readonly volumes?: readonly string[]; readonly signal: AbortSignal },
): Promise<void> {
  const filters = { label: [`${attemptLabel}=${attempt}`] }
  const during = `removing what attempt ${attempt} left`
  const containers = await engine.call(during, signal, (docker, abortSignal) =>
    docker.listContainers({ all: true, filters, abortSignal }),
  )
  await settled(
    containers.map(({ Id: id }) =>
      removed(
        engine.call(during, signal, (docker, abortSignal) =>
          docker.getContainer(id).remove({ force: true, v: !keepsVolumes, abortSignal }),
        ),
      ),
    ),
  )
  const networks = await engine.call(during, signal, (docker, abortSignal) =>
    docker.listNetworks({ filters, abortSignal }),
  )
  await settled(
    networks.map(({ Id: id }) =>
      removed(engine.call(during, signal, (docker, abortSignal) => docker.getNetwork(id).remove({ abortSignal }))),
    ),
  )
  await settled(
    volumes.map((name) =>
      removed(engine.call(during, signal, (docker, abortSignal) => docker.getVolume(name).remove({ abortSignal }))),
    ),
  )
}

/** One that is gone, or is being removed, is fine. */
async function removed(removing: Promise<unknown>): Promise<void> {
  try {
    await removing
  } catch (error) {
    if (!(error instanceof EngineError) || (error.code !== 'not_found' && error.code !== 'conflict')) throw error
  }
}

/** Rejects with the first failure once all are over. */
async function settled(all: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(all)) if (each.status === 'rejected') throw each.reason
}
