import { InvalidSettingsError, isAmount, isCount } from '../invalid-settings.ts'
import { compilePeriod, type Period } from './period.ts'
import { defaultPolicy, type IdlePolicy, type ResolvedPolicy, resolvePolicy } from './policy.ts'

interface Rule {
  readonly policy: ResolvedPolicy
  readonly periods: readonly Period[]
}

/** Policies, checked and ready to be asked. Made by {@link compileSchedule}. */
export interface Schedule {
  readonly rules: readonly Rule[]
}

/** Checks policies and prepares them for {@link activePolicy}. Thrown: {@link InvalidSettingsError}. */
export function compileSchedule(policies: readonly IdlePolicy[]): Schedule {
  const problems: string[] = []
  const rules = policies
    .map(resolvePolicy)
    .map((policy, index) => ({ policy, periods: checkPolicy(policy, `policy[${index}]`, problems) }))
  if (problems.length > 0) throw new InvalidSettingsError(problems)
  return { rules }
}

/** The policy in force at a wall time: the last one with a period that has it, otherwise {@link defaultPolicy}. */
export function activePolicy(schedule: Schedule, wallTime: number): ResolvedPolicy {
  return (
    schedule.rules.findLast(({ periods }) => periods.some((period) => period.has(wallTime)))?.policy ?? defaultPolicy
  )
}

/** Every policy that may be in force at some time. */
export function policiesOf(schedule: Schedule): readonly ResolvedPolicy[] {
  return schedule.rules.map(({ policy }) => policy)
}

function checkPolicy(policy: ResolvedPolicy, path: string, problems: string[]): Period[] {
  const expect = (holds: boolean, name: keyof IdlePolicy, expected: string): void => {
    if (!holds)
      problems.push(
        `${path}.${name}: expected ${expected}, got ${JSON.stringify(policy[name]) ?? String(policy[name])}`,
      )
  }
  expect(isCount(policy.idleCount), 'idleCount', 'an integer ≥ 0')
  expect(isCount(policy.scaleFactorLimit), 'scaleFactorLimit', 'an integer ≥ 0')
  expect(isAmount(policy.idleTimeMs), 'idleTimeMs', 'milliseconds ≥ 0')
  expect(isAmount(policy.scaleFactor), 'scaleFactor', 'a number ≥ 0')
  expect(policy.periods.length > 0, 'periods', 'at least one cron expression')
  const zoneIsKnown = policy.timezone === undefined || isTimeZone(policy.timezone)
  expect(zoneIsKnown, 'timezone', 'an IANA time zone')
  return policy.periods.flatMap((period, index) => {
    try {
      return [compilePeriod(period, zoneIsKnown ? policy.timezone : undefined)]
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      problems.push(
        `${path}.periods[${index}]: expected a cron expression of five fields, got ${JSON.stringify(period)} (${why})`,
      )
      return []
    }
  })
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
