import type { Clock, Logger } from '@runner-core/fleeting'
import type { Provisioner } from '@runner-core/fleeting/provisioner'
import { durationText } from '../duration-text.ts'
import type { TaskscalerObserver } from '../observer.ts'
import type { ReadyTimes } from '../plan/ready-times.ts'
import type { InstanceSlots } from '../slots/instance-slots.ts'
import { proveReady, type ReadyCheck } from './readiness.ts'
import type { WarmUp } from './warm-up.ts'

export interface ReadinessCheckerOptions {
  readonly provisioner: Pick<Provisioner, 'connect' | 'reportSuccess' | 'reportFailure'>
  readonly readyCheck: ReadyCheck | undefined
  readonly readyTimeoutMs: number
  /** Comes next, where there is one: until then an instance does not count as ready. */
  readonly warmUp: WarmUp | undefined
  readonly readyTimes: ReadyTimes
  readonly observer: TaskscalerObserver
  /** What is known about the instance has changed. */
  readonly onAnswer: (host: InstanceSlots) => void
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Finds out whether new instances are ready, all at the same time, and writes the answer on them: proven, condemned,
 * or, when the check was given up, not tried.
 */
export class ReadinessChecker {
  readonly #options: ReadinessCheckerOptions
  #stopped = false

  constructor(options: ReadinessCheckerOptions) {
    this.#options = options
  }

  begin(host: InstanceSlots): void {
    if (this.#stopped) return
    host.proof = 'trying'
    void this.#prove(host)
  }

  /** Nothing is begun any more, and nothing answered. */
  stop(): void {
    this.#stopped = true
  }

  async #prove(host: InstanceSlots): Promise<void> {
    const check = new AbortController()
    host.check = check
    try {
      await proveReady(host.instance, this.#options, check)
      this.#proven(host)
    } catch (error) {
      // Whoever gave the check up has taken it away.
      if (host.check === check) this.#disproven(host, error instanceof Error ? error : new Error(String(error)))
      else host.proof = 'none'
    }
    host.check = undefined
    if (!this.#stopped) this.#options.onAnswer(host)
  }

  #proven(host: InstanceSlots): void {
    const { provisioner, readyTimes, warmUp, clock, observer, logger } = this.#options
    host.proof = 'proven'
    provisioner.reportSuccess(host.id)
    const { requestedAt } = host.instance
    const durationMs = requestedAt === undefined ? undefined : clock.now() - requestedAt
    const took = durationMs === undefined ? '' : `, ${durationText(durationMs)} after it was requested`
    const proven = `passed its readiness check${took}`
    if (warmUp === undefined) logger.info({ instance: host.id }, 'instance ready')
    else logger.info({ instance: host.id, title: warmUp.title }, 'instance warms')
    observer.decided?.({
      at: clock.wallTime(),
      instance: host.id,
      ...(warmUp === undefined
        ? { kind: 'ready', reason: proven }
        : { kind: 'warming', reason: `${warmUp.title}; ${proven}` }),
    })
    if (durationMs === undefined) return
    readyTimes.observe(durationMs)
    observer.instanceReady?.(durationMs)
  }

  #disproven(host: InstanceSlots, cause: Error): void {
    const { provisioner, observer, clock, logger } = this.#options
    logger.warn({ instance: host.id, err: cause }, 'instance not ready')
    observer.decided?.({
      at: clock.wallTime(),
      kind: 'unhealthy',
      instance: host.id,
      reason: `not ready: ${cause.message}`,
    })
    host.condemnedFor ??= `it did not become ready: ${cause.message}`
    provisioner.reportFailure(host.id, cause)
  }
}
