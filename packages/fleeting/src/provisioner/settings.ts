import { GroupError } from '../contract/errors.ts'
import type { GroupInfo } from '../contract/instance-group.ts'

/** How a provisioner behaves over time. Durations are milliseconds of `Clock.now()`. */
export interface ProvisionerSettings {
  /** Period of `list` when nothing is expected. Default 60,000. */
  readonly updateIntervalMs: number
  /**
   * Period of `list` while a launch, a removal or a change of state is expected; right after one was accepted it is
   * read a few times more often. Default 2,000.
   */
  readonly updateIntervalWhenExpectingMs: number
  /**
   * Period of `list` while an instance is in use, so that its loss is noticed within seconds; of more than 500
   * instances 10 ms for each. Default 5,000.
   */
  readonly updateIntervalWhenInUseMs: number
  /**
   * How long an accepted launch may take to appear in `list`; then its capacity is given back and launches back off.
   * Default 600,000.
   */
  readonly launchTimeoutMs: number
  /**
   * How late `list` may be, unless the group itself says that it may be later. An instance is gone for the list's word
   * alone only when readings over this long leave it out. A launch whose answer was lost is asked again, under the same
   * token, only after a `list` that began this long after. Default 10,000.
   */
  readonly listLagMs: number
  /** An instance that stays in a transitional or unknown state for this long is removed. Default 900,000. */
  readonly stuckTimeoutMs: number
  /**
   * Wait before a delete that was accepted, but had no effect, is sent again; doubles up to ten times this. Default
   * 60,000.
   */
  readonly deletionRetryIntervalMs: number
  /** The same at shutdown, without doubling. Default 10,000. */
  readonly shutdownDeletionIntervalMs: number
  /** Deadline of each call to the group. Default 60,000. */
  readonly callTimeoutMs: number
  /**
   * Launches per second (fractions too; `Infinity`: no limit), and how many may go at once. Default 100 and the maximum
   * number of instances, or as many as in one second when there is none.
   */
  readonly launchThrottle: { readonly perSecond: number; readonly burst?: number }
  /** First and longest wait before an open breaker lets a probe through. Default 300,000 and 1,800,000. */
  readonly breakerProbe: { readonly baseMs: number; readonly maxMs: number }
  /** Connection checks of instances that are not in use. */
  readonly health: HealthSettings
}

export interface HealthSettings {
  /**
   * Period of the checks of one idle instance; 0: only connections made for work are judged, and those that failed for
   * it are tried every 10 s. Default 60,000.
   */
  readonly checkIntervalMs: number
  /** Deadline of one check, dialling included. Default 15,000. */
  readonly checkTimeoutMs: number
  /** An instance is unhealthy once this many … Default 3. */
  readonly failureThreshold: number
  /** … of its last so many checks failed. Default 5. */
  readonly window: number
  /**
   * The mass-failure brake holds when at least this many instances, and at least half of those checked, fail now.
   * Default 3.
   */
  readonly massFailureMinimum: number
  /**
   * While the brake holds nothing is removed for its health, except one instance in each such period as a probe.
   * Default 900,000.
   */
  readonly massFailureProbeMs: number
}

export const defaultProvisionerSettings: ProvisionerSettings = {
  updateIntervalMs: 60_000,
  updateIntervalWhenExpectingMs: 2_000,
  updateIntervalWhenInUseMs: 5_000,
  launchTimeoutMs: 600_000,
  listLagMs: 10_000,
  stuckTimeoutMs: 900_000,
  deletionRetryIntervalMs: 60_000,
  shutdownDeletionIntervalMs: 10_000,
  callTimeoutMs: 60_000,
  launchThrottle: { perSecond: 100 },
  breakerProbe: { baseMs: 300_000, maxMs: 1_800_000 },
  health: {
    checkIntervalMs: 60_000,
    checkTimeoutMs: 15_000,
    failureThreshold: 3,
    window: 5,
    massFailureMinimum: 3,
    massFailureProbeMs: 900_000,
  },
}

/** Settings as given: what is absent, or undefined, has its default. */
export type ProvisionerSettingsInput = Partial<Omit<ProvisionerSettings, 'health' | 'breakerProbe'>> & {
  readonly health?: Partial<HealthSettings>
  readonly breakerProbe?: Partial<ProvisionerSettings['breakerProbe']>
}

/** However late a group says its `list` is. */
const maxLagMs = 600_000

/** How late `list` may be: what is configured, or the group's own word where that is longer. */
export function longestLagMs(
  { listLagMs }: ProvisionerSettings,
  { listLagMs: own = 0 }: Pick<GroupInfo, 'listLagMs'>,
): number {
  return Math.max(listLagMs, Math.min(maxLagMs, own) || 0)
}

/** The given settings over the defaults. Thrown: `GroupError` `invalid_config` that names every bad value. */
export function resolveSettings(input: ProvisionerSettingsInput = {}): ProvisionerSettings {
  const defaults = defaultProvisionerSettings
  const settings: ProvisionerSettings = {
    ...defaults,
    ...input,
    health: { ...defaults.health, ...input.health },
    breakerProbe: { ...defaults.breakerProbe, ...input.breakerProbe },
  }
  const problems: string[] = []
  const expect = (path: string, value: number, minimum: number): void => {
    if (!(value >= minimum)) problems.push(`${path}: expected a number of at least ${minimum}, got ${value}`)
  }
  const { health, breakerProbe, launchThrottle, ...durations } = settings
  for (const [name, value] of Object.entries(durations)) expect(name, value, name === 'listLagMs' ? 0 : 1)
  for (const [name, value] of Object.entries(breakerProbe)) expect(`breakerProbe.${name}`, value, 1)
  for (const [name, value] of Object.entries(health))
    expect(`health.${name}`, value, name === 'checkIntervalMs' ? 0 : 1)
  expect('health.window', health.window, health.failureThreshold)
  if (!(launchThrottle.perSecond > 0))
    problems.push(`launchThrottle.perSecond: expected a number above 0, got ${launchThrottle.perSecond}`)
  if (launchThrottle.burst !== undefined) expect('launchThrottle.burst', launchThrottle.burst, 1)
  if (problems.length > 0) throw new GroupError('invalid_config', problems.join('\n'))
  return settings
}
