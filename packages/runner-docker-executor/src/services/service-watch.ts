import { type Clock, deadline, delay, type Logger } from '@runner-core/fleeting'
import type { PrepareLog } from '@runner-core/job'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { EngineLink } from '../engine/engine-link.ts'
import { streamServiceLogs } from './service-logs.ts'
import type { StartedService } from './start-services.ts'
import { watchServices } from './watch-services.ts'

export interface ServiceWatchOptions {
  readonly link: EngineLink
  readonly services: readonly Pick<StartedService, 'id' | 'title'>[]
  readonly log: PrepareLog
  readonly clock: Clock
  readonly logger: Logger
}

/** Between two tries to watch an Engine whose connection broke. */
const pauseMs = 5000
/** Removing them, milliseconds. */
const removeLimitMs = 30_000

/** What runs beside a job, while it does: tells its trace of those that end, and ends the others. */
export class ServiceWatch {
  readonly #options: ServiceWatchOptions
  readonly #over = new AbortController()

  constructor(options: ServiceWatchOptions) {
    this.#options = options
    if (options.services.length > 0) void this.#watch()
  }

  /** Copies what a service prints to the trace (`CI_DEBUG_SERVICES`). */
  copyLogs(engine: Engine, services: readonly StartedService[]): void {
    const { log } = this.#options
    for (const service of services)
      void streamServiceLogs(engine, service, { report: log, signal: this.#over.signal }).catch(() => {})
  }

  /** Ends the services: their job has ended. Never rejects. */
  async end(): Promise<void> {
    this.#over.abort(new Error('the job has ended'))
    const { link, services, clock, logger } = this.#options
    if (services.length === 0) return
    const late = (): Error => new EngineError('timed_out', `no end within ${removeLimitMs / 1000} s`)
    using limit = deadline(clock, removeLimitMs, late)
    const { signal } = limit
    try {
      const engine = await link.engine(signal)
      await Promise.all(
        services.map(({ id, title }) =>
          engine.call(`removing the service ${title}`, signal, (docker, abortSignal) =>
            docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
          ),
        ),
      )
    } catch (error) {
      // They are removed with all else that the job had.
      logger.debug({ err: error }, 'services of a job may run on for a while')
    }
  }

  async #watch(): Promise<void> {
    const { link, services, log, clock } = this.#options
    const { signal } = this.#over
    const told = new Set<string>()
    while (!signal.aborted)
      try {
        await watchServices(await link.engine(signal), { services, told, report: log, signal })
        return
      } catch (error) {
        if (signal.aborted || !(error instanceof EngineError)) return
        await delay(clock, pauseMs, signal).catch(() => {})
      }
  }
}
