import { type LaunchState, outstandingCount } from '@runner-core/fleeting/provisioner'
import { choosePlacement } from './choose-placement.ts'
import { unobservedReadyMs } from './ready-times.ts'

/** What is being made, and how fast. Times are `Clock.now()` milliseconds. */
export interface Pipeline {
  /** When each instance that is being made was begun, the earliest first. */
  readonly begunAt: readonly number[]
  readonly slotsPerInstance: number
  /** How long instances took from request to ready; undefined when none has been seen yet. */
  readonly readyMs: number | undefined
  readonly launches: LaunchState
  readonly placements: readonly string[]
  /** The furthest that a promise may lie ahead, milliseconds. */
  readonly capMs: number
}

/** What is late already is not expected sooner than this, milliseconds. */
const minDelayMs = 30_000

/**
 * When to expect a slot for whom `position` others precede, ≥ 0: from the instances being made, in their order, then
 * from those that can be launched after back-off and throttle. Never in the past, never beyond the cap; and at the cap
 * when nobody can tell, because there is no room for another instance. One that is late already is expected as if it
 * began now.
 */
export function promiseDate(position: number, pipeline: Pipeline, now: number): number {
  const readyMs = pipeline.readyMs ?? unobservedReadyMs
  const index = Math.floor(position / pipeline.slotsPerInstance)
  const begunAt = pipeline.begunAt[index] ?? launchAt(index - pipeline.begunAt.length, pipeline)
  const date = begunAt + readyMs
  return Math.min(date > now ? date : now + Math.max(readyMs, minDelayMs), now + pipeline.capMs)
}

/** When the `index`-th launch from now can go; `Infinity`: nobody knows. */
function launchAt(index: number, { launches, placements }: Pipeline): number {
  const { allowance } = choosePlacement(launches, placements)
  const room = launches.maxInstances - launches.known - outstandingCount(launches)
  if (index >= room || (allowance.count === 0 && allowance.until === undefined)) return Number.POSITIVE_INFINITY
  const { tokens, perSecond } = launches.throttle
  return (allowance.until ?? launches.now) + (Math.max(0, index + 1 - Math.max(1, tokens)) / perSecond) * 1000
}
