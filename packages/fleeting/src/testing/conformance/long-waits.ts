import { type CancelTimer, systemClock } from '../../contract/clock.ts'
import type { InstanceGroup } from '../../contract/instance-group.ts'

/** A wait of a case that lasts, and may be in vain. */
export interface ConformanceWait {
  /** Name of the case. */
  readonly name: string
  /** What for, and what is there instead. */
  readonly what: string
  /** How long already, milliseconds. */
  readonly waitedMs: number
  /** How long it may take, milliseconds. */
  readonly patienceMs: number
}

export interface LongWaitsOptions {
  readonly name: string
  readonly patienceMs: number
  readonly onWait: (wait: ConformanceWait) => void
  /** Nothing is reported after its abort. */
  readonly signal: AbortSignal
}

/**
 * The first report of a wait, milliseconds after its begin; the next ones after twice, four times, … as long. Sooner
 * where the patience is short.
 */
const firstReportMs = 5_000

/**
 * Reports each wait of one case that lasts, while it lasts: a suite that may wait five minutes must not be silent for
 * them.
 */
export class LongWaits {
  readonly #options: LongWaitsOptions

  constructor(options: LongWaitsOptions) {
    this.#options = options
  }

  /** `what` is asked at each report. */
  async during<T>(what: () => string, act: () => T | Promise<T>): Promise<T> {
    const { name, patienceMs, onWait, signal } = this.#options
    const startedAt = systemClock.now()
    let cancel: CancelTimer
    const report = (afterMs: number): void => {
      cancel = systemClock.after(afterMs, () => {
        const waitedMs = systemClock.now() - startedAt
        onWait({ name, what: what(), waitedMs, patienceMs })
        report(waitedMs)
      })
    }
    const stop = (): void => cancel()
    report(Math.min(firstReportMs, patienceMs / 4))
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    try {
      return await act()
    } finally {
      stop()
      signal.removeEventListener('abort', stop)
    }
  }

  /** The group, with a report of each call that does not answer. */
  watching(group: InstanceGroup): InstanceGroup {
    return new Proxy(group, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          const answer: unknown = value.apply(target, args)
          return answer instanceof Promise
            ? this.during(
                () => `an answer of ${String(property)}`,
                () => answer,
              )
            : answer
        }
      },
    })
  }
}
