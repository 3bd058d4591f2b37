import { endOfRefusals, type PollerState } from '../jobs/job-poller.ts'
import type { LogTrouble } from '../logging/log-sink.ts'

/** One runner's progress. Times are `Clock.now()` milliseconds. */
export interface RunnerProgress {
  readonly name: string
  /** Absent while its fleet has not started. */
  readonly running?: {
    readonly poller: PollerState
    /** The last pass of the job poller, of the scaler, and the last time that the group was read. */
    readonly pollerPassedAt: number
    readonly scalerPassedAt: number
    readonly listedAt: number
    /**
     * Set while requests for a job have no usable answer: since when, and why not, in the words of the last one.
     * `refusedUntil`: the last one refused the runner's token, and nothing is requested before then.
     */
    readonly coordinatorTrouble?: { readonly since: number; readonly error: string; readonly refusedUntil?: number }
    /** Why the group could not be read the last time. */
    readonly listError?: string
    /** Why the group's plugin cannot be asked anything now: its process is down. */
    readonly groupTrouble?: string
    /** Why some of the groups that the group is made of do not work now. */
    readonly partTrouble?: string
    /** Set while so many instances are missing from the group's list at once that it is not believed. */
    readonly massDisappearance?: { readonly since: number; readonly missing: number }
    /** Set while state cannot be written: since when, and why not. */
    readonly stateTrouble?: { readonly since: number; readonly error: string }
    /** How often the group is read at rest. */
    readonly updateIntervalMs: number
  }
  /** Why its fleet has not started, once a try failed. */
  readonly startError?: string
  /** What is wrong with its entry in the configuration: it does not run. */
  readonly refusals?: readonly string[]
  /** Another process has its fleet: nothing is done for it here any more. */
  readonly hasDeparted?: true
}

/** What `/health/live` and `/health/ready` answer. */
export interface HealthReport {
  readonly status: 'ok' | 'unavailable'
  readonly runners: readonly RunnerHealth[]
  /** Of the process, where there are any. */
  readonly warnings?: readonly string[]
}

export interface RunnerHealth {
  readonly name: string
  readonly state: PollerState | 'starting' | 'departed' | 'refused'
  /** Each makes the answer `unavailable`. */
  readonly problems: readonly string[]
  /** What somebody may want to look at, and a restart would not mend. */
  readonly warnings: readonly string[]
}

/** Both loops pass at least every ten seconds, whatever they wait for; six times that without a pass is a hang. */
const stuckAfterMs = 60_000
/** The group is read this many times late before it counts. */
const listsMissed = 3

/**
 * `live`: no loop hangs. `ready`: moreover each runner's fleet has started, its plugin runs, its group could be read
 * lately, its state can be written, and GitLab accepts its token. One runner that is not ready makes the answer
 * `unavailable`; the others go on all the same. A coordinator that does not answer, a group that could not be read just
 * now, and one of several groups that does not work, are only warnings: the runner is fit to work, or will be as soon
 * as they are back.
 */
export function assessHealth(
  kind: 'live' | 'ready',
  runners: readonly RunnerProgress[],
  now: number,
  logTrouble?: LogTrouble,
): HealthReport {
  const report = runners.map((runner) => ({
    name: runner.name,
    state: runner.running?.poller ?? stateWithoutFleet(runner),
    problems: kind === 'live' ? hangs(runner, now) : [...hangs(runner, now), ...hindrances(runner, now)],
    warnings: kind === 'live' ? [] : warnings(runner, now),
  }))
  const status = report.every(({ problems }) => problems.length === 0) ? 'ok' : 'unavailable'
  if (kind === 'live' || logTrouble === undefined) return { status, runners: report }
  const { code, lost } = logTrouble
  return { status, runners: report, warnings: [`the log cannot be written (${code}), ${lost} lines are lost`] }
}

function stateWithoutFleet({ hasDeparted, refusals }: RunnerProgress): RunnerHealth['state'] {
  if (refusals !== undefined) return 'refused'
  return hasDeparted === true ? 'departed' : 'starting'
}

function hangs({ running }: RunnerProgress, now: number): readonly string[] {
  if (running === undefined || running.poller === 'stopped') return []
  return [
    ...(now - running.pollerPassedAt > stuckAfterMs
      ? [`the job loop has made no pass for ${seconds(now - running.pollerPassedAt)}`]
      : []),
    ...(now - running.scalerPassedAt > stuckAfterMs
      ? [`the scaler has made no pass for ${seconds(now - running.scalerPassedAt)}`]
      : []),
  ]
}

function hindrances({ running, startError, hasDeparted, refusals }: RunnerProgress, now: number): readonly string[] {
  if (refusals !== undefined) return refusals.map((problem) => `it does not run: ${problem}`)
  if (hasDeparted) return ['this process has lost the fleet']
  if (running === undefined)
    return [startError === undefined ? 'the fleet is starting' : `the fleet does not start: ${startError}`]
  const { poller, coordinatorTrouble, groupTrouble, stateTrouble } = running
  return [
    ...(groupTrouble === undefined ? [] : [`the group cannot be reached: ${groupTrouble}`]),
    ...(stateTrouble === undefined
      ? []
      : [
          `state cannot be written for ${seconds(now - stateTrouble.since)}: no job is accepted or started, nothing launched or removed${because(stateTrouble.error)}`,
        ]),
    ...(coordinatorTrouble?.refusedUntil === undefined
      ? []
      : [
          `GitLab refuses the runner's token, next request in ${seconds(Math.max(coordinatorTrouble.refusedUntil - now, 0))}: ${endOfRefusals}${because(coordinatorTrouble.error)}`,
        ]),
    ...(poller === 'stopped' ? ['the runner is stopping'] : []),
    ...(isUnread(running, now)
      ? [`the group has been unreadable for ${seconds(now - running.listedAt)}${because(running.listError)}`]
      : []),
  ]
}

function warnings({ running }: RunnerProgress, now: number): readonly string[] {
  if (running === undefined) return []
  const { coordinatorTrouble: trouble, listError, listedAt, partTrouble, massDisappearance: mass } = running
  return [
    ...(trouble && trouble.refusedUntil === undefined
      ? [`GitLab has given no usable answer for ${seconds(now - trouble.since)}${because(trouble.error)}`]
      : []),
    ...(listError !== undefined && !isUnread(running, now)
      ? [`the group has been unreadable for ${seconds(now - listedAt)}${because(listError)}`]
      : []),
    // When the whole cannot be read, its error names them.
    ...(partTrouble !== undefined && listError === undefined
      ? [`part of the group does not work: ${partTrouble}`]
      : []),
    ...(mass === undefined
      ? []
      : [
          `${mass.missing} instances have been missing from the group's list at once for ${seconds(now - mass.since)}: none is given up for that alone`,
        ]),
  ]
}

function isUnread({ listedAt, updateIntervalMs }: NonNullable<RunnerProgress['running']>, now: number): boolean {
  return now - listedAt > listsMissed * updateIntervalMs + stuckAfterMs
}

function because(error: string | undefined): string {
  return error === undefined || error === '' ? '' : `: ${error}`
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
