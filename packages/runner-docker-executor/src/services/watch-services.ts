import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import { jsonLines } from '../engine/json-lines.ts'
import type { ServiceReport, StartedService } from './start-services.ts'

export interface WatchServicesOptions {
  readonly services: readonly Pick<StartedService, 'id' | 'title'>[]
  /** Ids of services whose end was told; those that this tells are added. */
  readonly told: Set<string>
  readonly report: Pick<ServiceReport, 'warning'>
  readonly signal: AbortSignal
}

/**
 * Reports each service that exits during the job. Resolves when all have ended, or the signal ends it. Rejects with
 * `EngineError` where the Engine cannot be watched any more: then it may be called again, over another connection.
 */
export async function watchServices(engine: Engine, options: WatchServicesOptions): Promise<void> {
  const { services, told, report, signal } = options
  const tell = (id: string, exitCode: string | number, wasOutOfMemory: boolean): void => {
    const service = services.find((each) => each.id === id)
    if (service === undefined || told.has(id) || signal.aborted) return
    told.add(id)
    const why = wasOutOfMemory ? ', out of memory' : ''
    report.warning(`Service ${service.title} exited during the job: exit code ${exitCode}${why}.`)
  }
  const isOver = (): boolean => services.every(({ id }) => told.has(id))
  if (isOver()) return
  const during = 'watching the services'
  const filters = { type: ['container'], event: ['die'], container: services.map(({ id }) => id) }
  const path = `/events?filters=${encodeURIComponent(JSON.stringify(filters))}`
  const ending = new AbortController()
  try {
    const source = await engine.stream(during, AbortSignal.any([signal, ending.signal]), { method: 'GET', path })
    const state = async (id: string): Promise<void> => {
      const { State } = await engine.call(during, signal, (docker, abortSignal) =>
        docker.getContainer(id).inspect({ abortSignal }),
      )
      if (!State.Running && State.Status !== 'created') tell(id, State.ExitCode, State.OOMKilled)
    }
    // Those that ended before, too.
    await Promise.all(services.map(({ id }) => state(id).catch(ignoreGone)))
    if (isOver()) return
    for await (const event of jsonLines(source)) {
      const id = (event as { readonly Actor?: { readonly ID?: unknown } } | null)?.Actor?.ID
      if (typeof id === 'string') await state(id).catch(ignoreGone)
      if (isOver()) return
    }
    throw new EngineError('unreachable', `${during}: the Engine says no more`)
  } catch (error) {
    if (signal.aborted) return
    throw error
  } finally {
    ending.abort()
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof EngineError && error.code === 'not_found')) throw error
}
