import type { LaunchBackoff, LaunchState } from '@runner-core/fleeting/provisioner'
import type { Refusal } from '../plan/admission.ts'
import type { ResolvedPolicy } from '../plan/policy.ts'
import type { InstanceDecision, ScalingPlan } from '../plan/scaling-plan.ts'
import { policiesOf, type Schedule } from '../plan/schedule.ts'
import type { Decision } from './decision.ts'

/** What is still in the way is told again after this, so that the record of a long wait still has it. */
const repeatMs = 600_000
/** What keeps changing, as the next try of a back-off does, is told at most this often. */
const changeMs = 5_000
/** What comes and goes with every job counts as there until it has not been seen for so long. */
const lingerMs = 15_000

/** What a pass of the scaling saw and decided. */
export interface Pass {
  readonly launches: LaunchState
  readonly plan: ScalingPlan
  readonly policy: ResolvedPolicy
  readonly schedule: Schedule
}

/**
 * Turns what every pass sees anew into the few entries that say something new. Passes without news cost a handful of
 * comparisons.
 */
export class DecisionWatch {
  readonly #tell: (decision: Decision) => void
  #policy: ResolvedPolicy | undefined
  readonly #hold = new Hindrance()
  readonly #refusal = new Hindrance()
  #backoffs: readonly LaunchBackoff[] = []
  #drained: readonly InstanceDecision[] = []

  constructor(tell: (decision: Decision) => void) {
    this.#tell = tell
  }

  passed({ launches, plan, policy, schedule }: Pass, at: number): void {
    if (policy !== this.#policy) this.#tell({ at, kind: 'policy', ...describePolicy(policy, schedule) })
    this.#policy = policy
    this.#noteFailures(launches, at)
    this.#noteHold(plan, at)
    const over = this.#refusal.over(at)
    if (over !== undefined) this.#tell({ ...over, kind: 'accept', reason: 'slots can be promised again' })
    this.#noteDrains(plan.drain, at)
  }

  refused({ reason: code, message }: Refusal, policy: ResolvedPolicy, at: number): void {
    if (!this.#refusal.seen(code, undefined, at)) return
    const under = code === 'preemptive_mode' ? `; the policy for ${policy.periods.join(' | ')} is in force` : ''
    this.#tell({ at, kind: 'refuse', code, reason: `${message}${under}` })
  }

  #noteHold({ heldBack }: ScalingPlan, at: number): void {
    if (heldBack === undefined) {
      const over = this.#hold.over(at)
      if (over !== undefined) this.#tell({ ...over, kind: 'resume', reason: 'launches are no longer held back' })
      return
    }
    const { blockedBy: code, count, reason, until } = heldBack
    // A throttle lets the next one through at another moment on each pass.
    if (this.#hold.seen(code, code === 'throttle' ? undefined : until, at))
      this.#tell({ at, kind: 'hold', code, count, reason })
  }

  #noteFailures(launches: LaunchState, at: number): void {
    const { backoffs } = launches
    if (backoffs === this.#backoffs) return
    for (const backoff of backoffs) {
      const { code, placement, failures, message } = backoff
      const before = this.#backoffs.find((other) => other.code === code && other.placement === placement)
      if (before !== undefined && before.failures >= failures) continue
      this.#tell({
        at,
        kind: 'launch_failed',
        code,
        count: failures,
        ...(placement !== undefined && { placement }),
        reason: message,
      })
    }
    this.#backoffs = backoffs
  }

  #noteDrains(drain: readonly InstanceDecision[], at: number): void {
    if (drain.length === 0 && this.#drained.length === 0) return
    const before = new Set(this.#drained.map(({ id }) => id))
    for (const { id, reason } of drain) if (!before.has(id)) this.#tell({ at, kind: 'drain', instance: id, reason })
    this.#drained = drain
  }
}

/**
 * Something that is in the way for a while, and when it was last told. Times are wall times: one that jumps makes an
 * entry more or fewer.
 */
class Hindrance {
  #told: { readonly code: string; readonly until: number | undefined; readonly at: number } | undefined
  #seenAt = 0

  /** Whether it is worth an entry. */
  seen(code: string, until: number | undefined, at: number): boolean {
    this.#seenAt = at
    if (this.#told?.code === code) {
      const ageMs = at - this.#told.at
      if (ageMs >= 0 && ageMs < (this.#told.until === until ? repeatMs : changeMs)) return false
    }
    this.#told = { code, until, at }
    return true
  }

  /** Answers what was in the way, and when it was seen last, once it has not been for a while. */
  over(at: number): { readonly code: string; readonly at: number } | undefined {
    if (this.#told === undefined || Math.abs(at - this.#seenAt) < lingerMs) return undefined
    const { code } = this.#told
    this.#told = undefined
    return { code, at: this.#seenAt }
  }
}

/**
 * `code` is `schedule` when other policies of the schedule keep more in reserve: then who waits for a machine waits
 * because of the hour.
 */
function describePolicy(policy: ResolvedPolicy, schedule: Schedule): Pick<Decision, 'reason' | 'code'> {
  const { idleCount, scaleFactor, idleTimeMs, periods } = policy
  const most = Math.max(0, ...policiesOf(schedule).map((other) => other.idleCount))
  const reason = `the policy for ${periods.join(' | ')} is in force: idle_count ${idleCount}, scale_factor ${scaleFactor}, idle_time ${idleTimeMs / 1000} s`
  return most > idleCount
    ? { code: 'schedule', reason: `${reason}; at other times the schedule keeps ${most} idle` }
    : { reason }
}
