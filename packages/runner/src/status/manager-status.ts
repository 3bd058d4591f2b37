import type { LaunchBackoff, LaunchBreaker } from '@runner-core/fleeting/provisioner'
import type { HeldBack, ResolvedPolicy, TaskCounts } from '@runner-core/taskscaler'
import { fleetName, type RunnerSettings } from '../config/settings.ts'
import type { FleetRecord } from '../explain/fleet-record.ts'
import { fateOf, type JobFate } from '../explain/job-history.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { RunnerHealth } from './health.ts'

/** A manager at one moment, as plain data. Times are wall times, milliseconds. */
export interface ManagerStatus {
  readonly version: string
  readonly pid: number
  readonly startedAt: number
  readonly at: number
  readonly runners: readonly RunnerStatus[]
}

export interface RunnerStatus {
  readonly name: string
  readonly fleet: string
  readonly state: RunnerHealth['state']
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  /** Absent until the fleet has started. */
  readonly running?: FleetStatus
}

export interface FleetStatus {
  readonly group: string
  /** Absent: no bound. */
  readonly maxInstances?: number
  /** Instances asked for and not seen yet. */
  readonly coming: number
  readonly slots: TaskCounts
  readonly policy: Pick<ResolvedPolicy, 'periods' | 'idleCount' | 'idleTimeMs' | 'scaleFactor'>
  /** Instances that are wanted and cannot be asked for now. */
  readonly heldBack?: HeldBack
  readonly breaker: LaunchBreaker
  readonly backoffs: readonly LaunchBackoff[]
  readonly instances: readonly ListedStatus[]
  /** Jobs that were taken and have not ended. */
  readonly jobs: readonly {
    readonly job: string
    readonly fate: JobFate
    readonly since: number
    readonly instance?: string
    readonly why?: string
  }[]
}

interface ListedStatus {
  readonly id: string
  readonly state: string
  readonly placement?: string
  readonly inUse: number
  readonly useCount: number
  readonly seenAt: number
  readonly why: string
}

/** What one runner shows. */
export function runnerStatus(
  settings: RunnerSettings,
  { state, problems, warnings }: RunnerHealth,
  fleet: Fleet | undefined,
  record: FleetRecord,
  clock: { now(): number; wallTime(): number },
): RunnerStatus {
  return {
    name: settings.name,
    fleet: fleetName(settings),
    state,
    problems,
    warnings,
    ...(fleet !== undefined && { running: fleetStatus(fleet, record, clock) }),
  }
}

function fleetStatus(
  { provisioner, scaler }: Fleet,
  record: FleetRecord,
  clock: { now(): number; wallTime(): number },
): FleetStatus {
  const { tasks, policy, lastPlan } = scaler.status()
  const { breaker, backoffs, outstanding } = provisioner.launchState()
  const { periods, idleCount, idleTimeMs, scaleFactor } = policy
  // `now()` begins at the wall time of the process's start, and does not jump with it.
  const wallTimeOf = (at: number): number => clock.wallTime() - (clock.now() - at)
  return {
    group: provisioner.info.id,
    ...(Number.isFinite(provisioner.maxInstances) && { maxInstances: provisioner.maxInstances }),
    coming: outstanding.reduce((sum, { count }) => sum + count, 0),
    slots: tasks,
    policy: { periods, idleCount, idleTimeMs, scaleFactor },
    ...(lastPlan.heldBack !== undefined && { heldBack: inWallTime(lastPlan.heldBack, wallTimeOf) }),
    breaker: breaker.state === 'closed' ? breaker : inWallTime(breaker, wallTimeOf),
    backoffs: backoffs.map((backoff) => inWallTime(backoff, wallTimeOf)),
    instances: scaler.instances().map(({ instance: { id, state, placement, seenAt }, inUse, useCount, why }) => ({
      id,
      state,
      ...(placement !== undefined && { placement }),
      inUse,
      useCount,
      seenAt: wallTimeOf(seenAt),
      why,
    })),
    jobs: Array.from(record.jobs())
      .filter((history) => history.ended === undefined)
      .map((history) => ({
        job: history.job,
        fate: fateOf(history),
        since: history.placed?.at ?? history.cameAt,
        ...(history.placed && { instance: history.placed.instance }),
        ...(history.placed === undefined && history.waits.length > 0 && { why: history.waits.at(-1)!.why }),
      })),
  }
}

interface Dated {
  readonly since?: number
  readonly until?: number
  readonly probeAt?: number
}

/** The same facts with their times as wall times. */
function inWallTime<Facts extends Dated>(facts: Facts, wallTimeOf: (at: number) => number): Facts {
  const times = (['since', 'until', 'probeAt'] as const).flatMap((name) => {
    const at = facts[name]
    return at === undefined ? [] : [[name, wallTimeOf(at)]]
  })
  return { ...facts, ...Object.fromEntries(times) }
}
