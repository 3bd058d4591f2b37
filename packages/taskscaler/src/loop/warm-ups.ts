import { type Clock, deadline, describeError, type Logger, loggedSeconds } from '@runner-core/fleeting'
import type { Provisioner } from '@runner-core/fleeting/provisioner'
import { durationText } from '../duration-text.ts'
import type { TaskscalerObserver } from '../observer.ts'
import type { InstanceSlots, WarmUpRun } from '../slots/instance-slots.ts'
import type { WarmUp } from './warm-up.ts'

export interface WarmUpsOptions {
  readonly provisioner: Pick<Provisioner, 'connect'>
  readonly warmUp: WarmUp | undefined
  readonly observer: TaskscalerObserver
  /** Called when the warm-up of an instance has ended, whether it succeeded or not. */
  readonly onEnd: (host: InstanceSlots) => void
  readonly clock: Clock
  readonly logger: Logger
}

const defaultLimitMs = 600_000

/** Warms instances, all at the same time, once each in a process. */
export class WarmUps {
  readonly #options: WarmUpsOptions
  #stopped = false

  constructor(options: WarmUpsOptions) {
    this.#options = options
  }

  /** One that has had jobs is not held for it. */
  begin(host: InstanceSlots): void {
    const { warmUp, clock } = this.#options
    host.hasWarmed = true
    if (warmUp === undefined || this.#stopped) return
    const isNew = host.useCount === 0
    host.isHeld = isNew
    const run = { title: warmUp.title, since: clock.now(), controller: new AbortController(), isReadyTold: !isNew }
    host.warmUp = run
    void this.#warm(host, warmUp, run)
  }

  /** A job has got a slot of it. */
  lent(host: InstanceSlots): void {
    if (host.warmUp?.isReadyTold === false)
      this.#tellReady(host, host.warmUp, `a job needs it; ${host.warmUp.title} continues beside it`)
  }

  /** Nothing is begun any more. */
  stop(): void {
    this.#stopped = true
  }

  async #warm(host: InstanceSlots, warmUp: WarmUp, run: WarmUpRun): Promise<void> {
    const { clock, logger, onEnd } = this.#options
    let came: string
    try {
      const outcome = await this.#bounded(host, warmUp, run.controller)
      came = `${outcome}, after ${durationText(clock.now() - run.since)}`
    } catch (error) {
      // Whoever gave it up has taken it away.
      if (host.warmUp !== run) return
      logger.warn({ instance: host.id, err: error }, 'instance not warmed')
      came = `${run.title}: ${describeError(error)}`
    }
    if (host.warmUp !== run) return
    host.warmUp = undefined
    if (!run.isReadyTold) this.#tellReady(host, run, came)
    onEnd(host)
  }

  /** Ends when the time is up, also when nobody heeds the signal. */
  async #bounded(host: InstanceSlots, warmUp: WarmUp, { signal: given }: AbortController): Promise<string> {
    const { provisioner, clock } = this.#options
    const { limitMs = defaultLimitMs } = warmUp
    using limit = deadline(clock, limitMs, () => new Error(`not done within ${durationText(limitMs)}`), given)
    const { signal } = limit
    const work = async (): Promise<string> => {
      const connection = await provisioner.connect(host.id, 0, signal)
      return await warmUp.run(host.instance, connection, { signal, has: (content) => host.contents.add(content) })
    }
    const aborted = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    return await Promise.race([work(), aborted])
  }

  #tellReady(host: InstanceSlots, run: WarmUpRun, reason: string): void {
    const { observer, clock, logger } = this.#options
    run.isReadyTold = true
    const warming_seconds = loggedSeconds(clock.now() - run.since)
    logger.info({ instance: host.id, warming_seconds, reason }, 'instance ready')
    observer.decided?.({ at: clock.wallTime(), kind: 'ready', instance: host.id, reason })
  }
}
