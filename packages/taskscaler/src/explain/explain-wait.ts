import { durationText } from '../duration-text.ts'
import type { ScalingPlan } from '../plan/scaling-plan.ts'

/** An instance that is being made. Times are `Clock.now()` milliseconds. */
export interface ComingInstance {
  /** Absent while it was only asked for. */
  readonly id?: string
  /** `missing`: `list` leaves it out, and nobody knows yet whether it is gone. */
  readonly doing: 'requested' | 'creating' | 'starting' | 'unconfirmed' | 'missing'
  readonly since: number
}

export interface WaitFacts {
  readonly kind: 'slot' | 'promised'
  /** Set once `acquire` waits. */
  readonly wait?: { readonly since: number; readonly position: number; readonly expired: number }
  readonly readyAt: number
  /** Whether an instance has become ready yet: before, `readyAt` is only a guess. */
  readonly isObserved: boolean
  readonly coming: readonly ComingInstance[]
  readonly heldBack: ScalingPlan['heldBack']
  /** Why what was launched before came to nothing, while nothing launched since has proven good. */
  readonly failures?: string | undefined
  readonly now: number
}

const named = 3

/** Why a job has no slot yet, in one line for its log. */
export function explainWait({ kind, wait, readyAt, isObserved, coming, heldBack, failures, now }: WaitFacts): string {
  if (kind === 'slot') return 'a ready slot is held'
  const parts: string[] = []
  if (wait !== undefined)
    parts.push(`waiting for a slot for ${durationText(now - wait.since)}, number ${wait.position} in the queue`)
  if (wait !== undefined && wait.expired > 0) {
    parts.push(
      `the promised slot did not become available${wait.expired > 1 ? ` (${wait.expired} times)` : ''} and was planned again`,
    )
  }
  parts.push(comingText(coming, now))
  if (heldBack !== undefined) parts.push(`${heldBack.count} more wanted, but ${heldBack.reason}`)
  if (failures !== undefined && heldBack?.blockedBy !== 'backoff' && heldBack?.blockedBy !== 'breaker')
    parts.push(`before: ${failures}`)
  if (isObserved) parts.push(`a slot is expected in about ${durationText(readyAt - now)}`)
  return parts.join('; ')
}

function comingText(all: readonly ComingInstance[], now: number): string {
  const coming = all.filter(({ doing }) => doing !== 'unconfirmed' && doing !== 'missing')
  const unconfirmed = all.filter(({ doing }) => doing === 'unconfirmed')
  const missing = all.filter(({ doing }) => doing === 'missing')
  const others: string[] = []
  if (unconfirmed[0] !== undefined)
    others.push(
      `requested by an earlier process ${durationText(now - unconfirmed[0].since)} ago, not confirmed: ${unconfirmed.length}`,
    )
  if (missing[0] !== undefined)
    others.push(
      `missing from the list for ${durationText(now - missing[0].since)}: ${missing[0].id}${missing.length > 1 ? ` and ${missing.length - 1} more` : ''}`,
    )
  const besides = others.map((text) => `; ${text}`).join('')
  if (coming.length === 0) return `no instance is starting${besides}`
  const list = coming
    .slice(0, named)
    .map(({ id, doing, since }) =>
      doing === 'requested'
        ? `requested ${durationText(now - since)} ago`
        : `${id === undefined ? '' : `${id} `}${doing} for ${durationText(now - since)}`,
    )
  if (coming.length > named) list.push(`and ${coming.length - named} more`)
  return `${coming.length} ${coming.length === 1 ? 'instance is' : 'instances are'} starting (${list.join(', ')})${besides}`
}
