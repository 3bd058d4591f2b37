import type { CancelTimer, Clock } from '../../contract/clock.ts'
import { GroupError } from '../../contract/errors.ts'
import type { GroupRateLimits } from '../../contract/instance-group.ts'
import { admitCalls, type Buckets, type BudgetOperation, type WaitingCall } from './admit-calls.ts'
import { afterReading, afterThrottling, type BucketLimits, type BudgetBucket, fullBucket } from './budget-bucket.ts'

/** Longer no call waits: below the deadlines of those who call, who could not know that nothing was sent. */
const patienceMs = 25_000

interface QueuedCall extends WaitingCall {
  begin(): void
}

/** The buckets of one group, and the calls that wait for them. */
export class CallBudget {
  readonly #limits: GroupRateLimits['buckets']
  readonly #clock: Clock
  readonly #queue = new Set<QueuedCall>()
  #buckets: Buckets
  #cancel: CancelTimer = () => {}

  constructor(limits: GroupRateLimits['buckets'], clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.#buckets = Object.fromEntries(
      Object.entries(limits).map(([name, limit]) => [name, fullBucket(limit, clock.now())]),
    )
  }

  /** Resolves when the call may begin. Thrown: `not_ready`, when that is not within 25 s; the signal's reason. */
  async take(operation: BudgetOperation, draws: WaitingCall['draws'], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#queue.delete(call)
        cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const giveUp = (reason: unknown): void => {
        leave()
        reject(reason)
        this.#admit()
      }
      const onAbort = (): void => giveUp(signal.reason)
      const spent = (): GroupError =>
        new GroupError(
          'not_ready',
          `${operation} waited for ${patienceMs} ms: the cloud's rate limits allow no more calls (${Object.keys(draws).join(', ')})`,
        )
      const cancel = this.#clock.after(patienceMs, () => giveUp(spent()))
      const call: QueuedCall = {
        operation,
        draws,
        askedAt: this.#clock.now(),
        begin: () => {
          leave()
          resolve()
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#queue.add(call)
      this.#admit()
    })
  }

  /**
   * The cloud refused a call that drew so: in the bucket that refused, or in all of these if it is not known, less is
   * left than it seemed.
   */
  throttled(draws: WaitingCall['draws'], { bucket, retryAfterMs }: Pick<GroupError, 'bucket' | 'retryAfterMs'>): void {
    const names = bucket !== undefined && this.#limits[bucket] !== undefined ? [bucket] : Object.keys(draws)
    this.#change(names, (before, limits, now) => afterThrottling(before, limits, now, retryAfterMs))
  }

  /** The cloud said how much is left, by bucket. */
  read(remaining: Readonly<Record<string, number>>): void {
    this.#change(Object.keys(remaining), (before, limits, now, name) =>
      afterReading(before, limits, remaining[name] as number, now),
    )
  }

  #change(
    names: readonly string[],
    change: (bucket: BudgetBucket, limits: BucketLimits, now: number, name: string) => BudgetBucket,
  ): void {
    const now = this.#clock.now()
    const buckets = { ...this.#buckets }
    for (const name of names) {
      const limits = this.#limits[name]
      if (limits !== undefined) buckets[name] = change(buckets[name] as BudgetBucket, limits, now, name)
    }
    this.#buckets = buckets
    this.#admit()
  }

  #admit(): void {
    this.#cancel()
    const now = this.#clock.now()
    const { admitted, buckets, nextAt } = admitCalls([...this.#queue], this.#buckets, this.#limits, now)
    this.#buckets = buckets
    this.#cancel = nextAt < Number.POSITIVE_INFINITY ? this.#clock.after(nextAt - now, () => this.#admit()) : () => {}
    for (const call of admitted) call.begin()
  }
}
