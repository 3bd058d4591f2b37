import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidSettingsError } from '../invalid-settings.ts'
import { defaultPolicy, idleTarget, type ResolvedPolicy, resolvePolicy } from './policy.ts'
import { activePolicy, compileSchedule } from './schedule.ts'

const base = resolvePolicy({ timezone: 'UTC' })
const office: ResolvedPolicy = { ...base, periods: ['* 8-15 * * mon-fri'], idleCount: 10 }

const isActive = (policy: ResolvedPolicy, iso: string): boolean =>
  activePolicy(compileSchedule([policy]), Date.parse(iso)) !== defaultPolicy

describe('activePolicy', () => {
  test('a period is a range: * 8-15 * * mon-fri is 08:00:00.000 to 15:59:59.999', () => {
    expect(isActive(office, '2025-06-06T07:59:59.999Z')).toBe(false)
    expect(isActive(office, '2025-06-06T08:00:00.000Z')).toBe(true)
    expect(isActive(office, '2025-06-06T12:34:56.789Z')).toBe(true)
    expect(isActive(office, '2025-06-06T15:59:59.999Z')).toBe(true)
    expect(isActive(office, '2025-06-06T16:00:00.000Z')).toBe(false)
    expect(isActive(office, '2025-06-07T12:00:00.000Z')).toBe(false)
  })

  test('the last policy that matches wins, whatever the order of their ranges', () => {
    const night: ResolvedPolicy = { ...base, periods: ['* 0-6 * * *', '* 20-23 * * *'] }
    const always: ResolvedPolicy = { ...base, idleCount: 2 }
    const at = (policies: ResolvedPolicy[], iso: string): ResolvedPolicy =>
      activePolicy(compileSchedule(policies), Date.parse(iso))
    expect(at([always, office, night], '2025-06-06T12:00:00Z')).toEqual(office)
    expect(at([always, office, night], '2025-06-06T21:00:00Z')).toEqual(night)
    expect(at([always, office, night], '2025-06-06T18:00:00Z')).toEqual(always)
    expect(at([office, night, always], '2025-06-06T12:00:00Z')).toEqual(always)
  })

  test('no match, and no policy at all, is the explicit default', () => {
    expect(activePolicy(compileSchedule([office]), Date.parse('2025-06-08T12:00:00Z'))).toBe(defaultPolicy)
    expect(activePolicy(compileSchedule([]), 0)).toBe(defaultPolicy)
  })

  test('follows the summer time of its zone', () => {
    const berlin: ResolvedPolicy = { ...office, timezone: 'Europe/Berlin' }
    expect(isActive(berlin, '2025-03-28T07:00:00Z')).toBe(true) // 08:00 winter time
    expect(isActive(berlin, '2025-03-28T06:59:00Z')).toBe(false)
    expect(isActive(berlin, '2025-03-31T06:00:00Z')).toBe(true) // 08:00 summer time
    expect(isActive(berlin, '2025-03-31T05:59:00Z')).toBe(false)
    expect(isActive(berlin, '2025-03-31T14:00:00Z')).toBe(false) // 16:00
  })

  test('the hour that the change to winter time repeats counts twice, the one that is skipped never comes', () => {
    const two: ResolvedPolicy = { ...base, periods: ['* 2 * * *'], timezone: 'Europe/Berlin' }
    expect(isActive(two, '2025-10-26T00:30:30Z')).toBe(true)
    expect(isActive(two, '2025-10-26T01:30:30Z')).toBe(true)
    expect(isActive(two, '2025-10-26T02:00:00Z')).toBe(false)
    const minutes = Array.from({ length: 24 * 60 }, (_, minute) => Date.parse('2025-03-29T23:00:00Z') + minute * 60_000)
    const schedule = compileSchedule([two])
    expect(minutes.filter((minute) => activePolicy(schedule, minute) === two)).toEqual([])
  })

  test('a zone whose offset is no whole hour', () => {
    const kathmandu: ResolvedPolicy = { ...base, periods: ['0-29 9 * * *'], timezone: 'Asia/Kathmandu' }
    expect(isActive(kathmandu, '2025-06-06T03:15:00Z')).toBe(true)
    expect(isActive(kathmandu, '2025-06-06T03:44:59Z')).toBe(true)
    expect(isActive(kathmandu, '2025-06-06T03:45:00Z')).toBe(false)
  })

  test.each(['0', '7', 'sun', 'SUN'])('Sunday is %s', (weekday) => {
    expect(isActive({ ...base, periods: [`* * * * ${weekday}`] }, '2025-06-08T12:00:00Z')).toBe(true)
    expect(isActive({ ...base, periods: [`* * * * ${weekday}`] }, '2025-06-09T12:00:00Z')).toBe(false)
  })

  test('answers the same for every moment of a minute', () => {
    const schedule = compileSchedule([{ ...base, periods: ['*/3 * * * *'] }])
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 0, max: 59_999 }), (at, within) => {
        const minute = at - (at % 60_000)
        return activePolicy(schedule, minute) === activePolicy(schedule, minute + within)
      }),
      { numRuns: 200 },
    )
  })
})

describe('compileSchedule', () => {
  test('names every problem of every policy', () => {
    const bad: ResolvedPolicy = {
      periods: ['* * * *', '61 * * * *', '* * * * * *'],
      timezone: 'Mars/Olympus',
      idleCount: -1,
      idleTimeMs: Number.NaN,
      scaleFactor: -2,
      scaleFactorLimit: 1.5,
      preemptiveMode: false,
    }
    const error = catchError(() => compileSchedule([base, bad, { ...base, periods: [] }]))
    expect(error).toBeInstanceOf(InvalidSettingsError)
    expect((error as InvalidSettingsError).problems.map((problem) => problem.split(', got')[0])).toEqual([
      'policy[1].idleCount: expected an integer ≥ 0',
      'policy[1].scaleFactorLimit: expected an integer ≥ 0',
      'policy[1].idleTimeMs: expected milliseconds ≥ 0',
      'policy[1].scaleFactor: expected a number ≥ 0',
      'policy[1].timezone: expected an IANA time zone',
      'policy[1].periods[0]: expected a cron expression of five fields',
      'policy[1].periods[1]: expected a cron expression of five fields',
      'policy[1].periods[2]: expected a cron expression of five fields',
      'policy[2].periods: expected at least one cron expression',
    ])
  })
})

describe('idle target', () => {
  test('is the larger of idle_count and the factor, which has a limit', () => {
    const policy: ResolvedPolicy = { ...base, idleCount: 5, scaleFactor: 0.5, scaleFactorLimit: 20 }
    expect([0, 10, 11, 30, 40, 1000].map((acquired) => idleTarget(policy, acquired))).toEqual([5, 5, 6, 15, 20, 20])
    expect(idleTarget({ ...policy, scaleFactorLimit: 0 }, 1000)).toBe(500)
    expect(idleTarget({ ...base, scaleFactor: 1.1 }, 10)).toBe(11)
  })

  test('a policy keeps nothing in reserve, always, and promises capacity to come, unless it says otherwise', () => {
    expect(resolvePolicy({})).toEqual({
      periods: ['* * * * *'],
      idleCount: 0,
      idleTimeMs: 0,
      scaleFactor: 0,
      scaleFactorLimit: 0,
      preemptiveMode: false,
    })
    expect(resolvePolicy({ idleCount: 1 }).preemptiveMode).toBe(false)
    expect(resolvePolicy({ preemptiveMode: true }).preemptiveMode).toBe(true)
  })
})

function catchError(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}
