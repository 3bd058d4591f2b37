import type { GroupError } from '../../contract/errors.ts'
import { loggedSeconds } from '../../contract/logged-seconds.ts'
import type { ProvisionerContext } from '../context.ts'
import { type LaunchFailure, withFailure, withSuccess } from './backoff.ts'
import type { BootFailure } from './boots.ts'
import {
  type BreakerOperation,
  type BreakerTrips,
  breakerAt,
  tripsBreaker,
  withoutTrip,
  withTrial,
  withTrip,
} from './launch-breaker.ts'
import { backoffUntil, type LaunchBackoff, type LaunchState } from './launch-state.ts'
import { refill, type TokenBucket, type TokenBucketLimits } from './launch-throttle.ts'

/** What holds launches back, whoever wants them: throttle, back-offs and breaker, as what happened has left them. */
export class LaunchGate {
  readonly #context: ProvisionerContext
  readonly #limits: TokenBucketLimits
  #bucket: TokenBucket
  #backoffs: readonly LaunchBackoff[] = []
  #trips: BreakerTrips = []

  constructor(context: ProvisionerContext, maxInstances: number) {
    this.#context = context
    const { perSecond, burst = Math.max(1, Number.isFinite(maxInstances) ? maxInstances : perSecond) } =
      context.settings.launchThrottle
    this.#limits = { perSecond, burst }
    this.#bucket = { tokens: burst, at: context.clock.now() }
  }

  state(now: number): Pick<LaunchState, 'backoffs' | 'breaker' | 'throttle'> {
    const { hold } = this.#context.caller
    return {
      backoffs: hold === undefined ? this.#backoffs : [...this.#backoffs, { code: 'throttled', ...hold }],
      breaker: breakerAt(this.#trips, now),
      throttle: { tokens: refill(this.#bucket, this.#limits, now).tokens, ...this.#limits },
    }
  }

  /** Whether nothing may be sent to a placement now, although it was allowed when it was asked for. */
  isShut(placement: string | undefined, now: number): boolean {
    const { backoffs, breaker } = this.state(now)
    return breaker.state === 'open' || backoffUntil(backoffs, placement) > now
  }

  takeTokens(count: number): void {
    const { tokens, at } = refill(this.#bucket, this.#limits, this.#context.clock.now())
    this.#bucket = { tokens: tokens - count, at }
  }

  /** What was taken was not used. */
  giveTokensBack(count: number): void {
    this.takeTokens(-count)
  }

  /** The cloud took a launch. */
  accepted(placement: string | undefined): void {
    this.worked('increase')
    this.#tries(this.#context.clock.now())
    this.#backoffs = withSuccess(this.#backoffs, 'accepted', placement)
  }

  /**
   * An instance of a launch requested at `requestedAt` is there, whatever was answered: if that launch was a probe, it
   * worked. One that was asked for before the refusal proves nothing.
   */
  appeared(requestedAt: number): void {
    if (this.#trips.some(({ operation, probeAt }) => operation === 'increase' && requestedAt >= probeAt))
      this.worked('increase')
    this.#tries(requestedAt)
  }

  /** An instance of ours proved good. */
  proved(placement: string | undefined): void {
    this.worked('boot')
    this.#backoffs = withSuccess(this.#backoffs, 'ready', placement)
  }

  /** The cloud refused a launch; answers until when others like it wait. */
  refused(error: GroupError, placement: string | undefined): number {
    this.tripped('increase', error)
    return this.failed({ code: error.code, placement, message: error.message, retryAfterMs: error.retryAfterMs })
  }

  /** A launch that the cloud had accepted came to nothing. */
  bootFailed({ message, error }: BootFailure, placement: string | undefined): void {
    if (error !== undefined) this.tripped('boot', error)
    this.failed({
      code: error?.code ?? 'failed_boot',
      placement,
      message,
      retryAfterMs: error?.retryAfterMs,
      late: true,
    })
  }

  /** Answers until when launches back off. */
  failed(failure: LaunchFailure): number {
    this.#backoffs = withFailure(this.#backoffs, failure, this.#context.clock.now(), this.#context.random)
    return backoffUntil(this.#backoffs, failure.placement)
  }

  /** A call to the group failed. For good: the breaker opens. */
  tripped(operation: BreakerOperation, error: GroupError): void {
    const { clock, random, settings, logger } = this.#context
    if (!tripsBreaker(error.code)) return
    this.#trips = withTrip(this.#trips, operation, error, clock.now(), settings.breakerProbe, random)
    const now = clock.now()
    const breaker = breakerAt(this.#trips, now)
    const fields = breaker.state !== 'closed' && {
      action: breaker.action,
      ...(breaker.probeAt !== undefined && { probe_wait_seconds: loggedSeconds(breaker.probeAt - now) }),
    }
    logger.error({ operation, err: error, ...fields }, 'launch breaker opened')
  }

  /** A call to the group worked. */
  worked(operation: BreakerOperation): void {
    const before = this.#trips
    this.#trips = withoutTrip(before, operation)
    if (before.length > 0 && this.#trips.length === 0) this.#context.logger.info({}, 'launch breaker closed')
  }
  /** A launch that was asked for at `askedAt` is under way: if boots fail, it is the one machine that is tried. */
  #tries(askedAt: number): void {
    const { clock, settings, random } = this.#context
    this.#trips = withTrial(this.#trips, askedAt, clock.now(), settings.breakerProbe, random)
  }
}
