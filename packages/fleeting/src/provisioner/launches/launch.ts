import type { ListedInstance } from '../../contract/instance-group.ts'
import type { LaunchRecord } from '../fleet-records.ts'
import type { OutstandingLaunch } from './launch-state.ts'

/**
 * One launch from request to the last instance seen: what `OutstandingLaunch` shows, with what is needed to tell whose
 * instance a new one is.
 */
export interface Launch {
  readonly launchToken: string
  readonly placement: string | undefined
  readonly reason: string
  readonly requestedAt: number
  phase: OutstandingLaunch['phase']
  /** An earlier process announced it, and nobody here knows whether it sent it. */
  isUnconfirmed: boolean
  /** Still to appear. */
  count: number
  /** How many have appeared. */
  seen: number
  /** Ids still to appear, as far as the cloud told them. */
  ids: Set<string>
  /** Whether the cloud told the ids of all that are still to appear. */
  isNamed: boolean
  /** `Infinity` until the cloud accepted, or may have. */
  deadlineAt: number
  /**
   * While `uncertain`: what `list` must be before the launch goes on. It is then asked again, not before `retryAt`;
   * `Infinity`: it was refused, and ends.
   */
  retryAt: number
  listFrom: ListMark
}

/** One `list`: its number, counted from the start of the process, and when it began. */
export interface ListMark {
  readonly number: number
  readonly beganAt: number
}

/** A launch that nobody has heard of yet. */
export function newLaunch(
  launchToken: string,
  count: number,
  placement: string | undefined,
  reason: string,
  now: number,
): Launch {
  return {
    launchToken,
    placement,
    reason,
    requestedAt: now,
    phase: 'queued',
    isUnconfirmed: false,
    count,
    seen: 0,
    ids: new Set(),
    isNamed: false,
    deadlineAt: Infinity,
    retryAt: Infinity,
    listFrom: { number: 0, beganAt: -Infinity },
  }
}

/** As the journal keeps it. */
export function launchRecord({ count, reason, placement, phase }: Launch, atWallTime: number): LaunchRecord {
  return {
    count,
    reason,
    ...(placement !== undefined && { placement }),
    atWallTime,
    ...(phase === 'accepted' && { isAccepted: true }),
  }
}

/** The answer to a launch: `accepted` machines, some of which may have been seen before the answer came. */
export function acceptLaunch(
  launch: Launch,
  accepted: number,
  ids: readonly string[] | undefined,
  isKnown: (id: string) => boolean,
  deadlineAt: number,
): void {
  launch.phase = 'accepted'
  launch.isUnconfirmed = false
  launch.deadlineAt = deadlineAt
  launch.ids = new Set(ids?.filter((id) => !isKnown(id)))
  launch.isNamed = ids?.length === accepted
  launch.count = launch.isNamed ? launch.ids.size : Math.max(0, accepted - launch.seen)
}

/**
 * The launch that a new instance comes from, if any: named by its id, by its token, or, where the cloud tells neither,
 * the oldest that still waits. With `tellsTokens` an instance without a token is nobody's.
 */
export function launchOf(launches: readonly Launch[], row: ListedInstance, tellsTokens: boolean): Launch | undefined {
  const byId = launches.find((launch) => launch.ids.has(row.id))
  if (byId !== undefined) return byId
  if (tellsTokens || row.launchToken !== undefined)
    return launches.find((launch) => launch.launchToken === row.launchToken)
  return launches.find(
    (launch) =>
      launch.phase !== 'queued' &&
      !launch.isNamed &&
      launch.count > 0 &&
      (row.placement === undefined || launch.placement === undefined || launch.placement === row.placement),
  )
}

/** One of the launch's instances has appeared. */
export function countSeen(launch: Launch, id: string): void {
  launch.seen += 1
  launch.count = Math.max(0, launch.count - 1)
  launch.ids.delete(id)
  // Somebody did accept it: what is still missing is waited for, not asked for again; unless the process that asked may
  // have been killed in the middle of it.
  if (launch.phase === 'uncertain' && (!launch.isUnconfirmed || launch.count === 0)) launch.phase = 'accepted'
}

/**
 * What happens next to a launch: `send` it now, `end` it because it was refused, give it up as `expired`, or `wait`.
 * `listed` is the last successful `list`: a launch is given up only when one that began after its deadline does not
 * show what it should have brought.
 */
export function nextStep(launch: Launch, now: number, listed: ListMark): 'send' | 'end' | 'expired' | 'wait' {
  if (launch.phase === 'sent') return 'wait'
  if (listed.beganAt >= launch.deadlineAt) return 'expired'
  if (launch.phase === 'queued') return 'send'
  if (launch.phase === 'accepted' || listed.number < launch.listFrom.number || listed.beganAt < launch.listFrom.beganAt)
    return 'wait'
  if (launch.retryAt === Infinity) return 'end'
  return now >= launch.retryAt && now < launch.deadlineAt ? 'send' : 'wait'
}

/**
 * What a launch may still bring, by name: the ids where the cloud told them, otherwise the launch itself. Nothing, when
 * nobody has heard of it.
 */
export function mayBring({ launchToken, phase, count, ids, isNamed }: Launch): readonly string[] {
  if (phase === 'queued' || count === 0) return []
  return isNamed ? [...ids] : [`launch ${launchToken} (${count} requested)`]
}

/** As plain data, for snapshots. */
export function outstandingLaunch(launch: Launch): OutstandingLaunch {
  const { launchToken, placement, count, reason, requestedAt, phase, isUnconfirmed, deadlineAt } = launch
  return {
    launchToken,
    ...(placement !== undefined && { placement }),
    count,
    reason,
    requestedAt,
    phase,
    ...(isUnconfirmed && { isUnconfirmed }),
    ...(deadlineAt !== Infinity && { deadlineAt }),
  }
}
