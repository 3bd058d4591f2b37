import { backoffMs } from '../../contract/backoff.ts'
import type { Random } from '../../contract/clock.ts'
import type { GroupError } from '../../contract/errors.ts'
import { callBackoffCurve } from '../launches/backoff.ts'

/** One removal on its way. Kept until `list` shows the instance gone. */
export interface RemovalTask {
  readonly id: string
  readonly reason: string
  /** Whether the intent is in the journal. Nothing is sent before. */
  readonly written: boolean
  /** Deletes that the group accepted, and refusals in a row since. */
  readonly accepted: number
  readonly refused: number
  /** When the first delete went out that may have taken effect: it was accepted, or its answer lost. */
  readonly sentAt?: number
  /** When the first answer came to such a delete, or was given up. */
  readonly answeredAt?: number
  /** When the delete went out that is under way. */
  readonly sendingAt?: number
  readonly nextSendAt: number
}

/** After a delete was accepted: it is sent again only if it has no effect for long, and then ever more rarely. */
export function afterAccepted(task: RemovalTask, now: number, retryMs: number): RemovalTask {
  const accepted = task.accepted + 1
  return {
    ...answered(task, now, true),
    accepted,
    refused: 0,
    nextSendAt: now + retryMs * Math.min(2 ** (accepted - 1), 10),
  }
}

/** After a delete was refused, or its answer lost. */
export function afterRefused(task: RemovalTask, error: GroupError, now: number, random: Random): RemovalTask {
  const refused = task.refused + 1
  return {
    ...answered(task, now, error.code === 'transient'),
    refused,
    nextSendAt: now + backoffMs(callBackoffCurve, refused, random, error.retryAfterMs),
  }
}

function answered({ sendingAt, ...task }: RemovalTask, now: number, mayHaveActed: boolean): RemovalTask {
  return mayHaveActed && sendingAt !== undefined ? { sentAt: sendingAt, answeredAt: now, ...task } : task
}

/** When the first delete went out that may have taken effect, or may yet; undefined: none did. */
export function sentAtOf({ sentAt, sendingAt }: RemovalTask): number | undefined {
  return sentAt ?? sendingAt
}

/** The tasks to send now, longest due first, at most `limit`. */
export function dueRemovals(tasks: Iterable<RemovalTask>, now: number, limit: number): readonly RemovalTask[] {
  const due = [...tasks].filter((task) => task.nextSendAt <= now)
  return due.toSorted((a, b) => a.nextSendAt - b.nextSendAt).slice(0, limit)
}
