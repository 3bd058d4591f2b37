import type { LaunchBackoff, LaunchBreaker } from '@runner-core/fleeting/provisioner'
import type { HeldBack } from '@runner-core/taskscaler'
import { expect, test } from 'vitest'
import type { RunnerSettings } from '../config/settings.ts'
import { FleetRecord } from '../explain/fleet-record.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { type FleetStatus, type RunnerStatus, runnerStatus } from './manager-status.ts'
import { statusLines } from './status-lines.ts'

// The wall clock was set forward by an hour since the process began.
const wallAhead = 3_600_000
const now = 1_000_000
const at = now + wallAhead
const clock = { now: () => now, wallTime: () => at, after: () => () => {} }
const tripped = {
  code: 'auth',
  message: 'increase: not allowed',
  action: 'allow ec2:RunInstances',
  since: now - 60_000,
} as const

function statusOf(launches: {
  breaker?: LaunchBreaker
  backoffs?: readonly LaunchBackoff[]
  heldBack?: HeldBack
  warnings?: readonly string[]
}): RunnerStatus {
  const { breaker = { state: 'closed' }, backoffs = [], heldBack, warnings = [] } = launches
  const fleet = {
    provisioner: {
      info: { id: 'memory/test' },
      maxInstances: 5,
      launchState: () => ({ breaker, backoffs, outstanding: [] }),
    },
    scaler: {
      status: () => ({
        tasks: { idle: 0, pending: 1, acquired: 0 },
        policy: { periods: ['* * * * *'], idleCount: 0, idleTimeMs: 60_000, scaleFactor: 0 },
        lastPlan: heldBack === undefined ? {} : { heldBack },
      }),
      instances: () => [],
    },
  } as unknown as Fleet
  const health = { name: 'a', state: 'asking', problems: [], warnings } as const
  return runnerStatus(
    { name: 'a', autoscaler: { fleet: 'a' } } as RunnerSettings,
    health,
    fleet,
    new FleetRecord({ clock, redact: (text) => text }),
    clock,
  )
}
const linesOf = (runner: RunnerStatus): readonly string[] =>
  statusLines({ version: '1', pid: 1, startedAt: 0, at, runners: [runner] }, { isRunning: true, wallTime: at + 3_000 })

test('an open breaker stops launches, and tells until when', () => {
  expect(linesOf(statusOf({ breaker: { state: 'open', ...tripped, probeAt: now + 240_000 } }))).toContain(
    '  launches are stopped (auth: increase: not allowed): allow ec2:RunInstances, next try in 4 min',
  )
})

test('a half-open one does not: the next machine is a trial', () => {
  const lines = linesOf(statusOf({ breaker: { state: 'half_open', ...tripped, probeAt: now - 1_000 } })).join('\n')
  expect(lines).toContain(
    '  launches are on trial, one instance at a time, until one works (auth: increase: not allowed): allow',
  )
  expect(lines).not.toContain('stopped')
})

test('nothing is said of a closed one', () => {
  expect(linesOf(statusOf({})).join('\n')).not.toContain('launches are')
})

test('times are wall times, although the wall clock has jumped', () => {
  const { running } = statusOf({
    breaker: { state: 'open', ...tripped, probeAt: now + 240_000 },
    backoffs: [{ code: 'capacity', failures: 1, until: now + 10_000, message: 'none left' }],
    heldBack: { count: 1, blockedBy: 'breaker', until: now + 240_000, reason: 'launches are stopped' },
  }) as { running: FleetStatus }
  expect(running).toMatchObject({
    breaker: { since: at - 60_000, probeAt: at + 240_000 },
    backoffs: [{ until: at + 10_000 }],
    heldBack: { until: at + 240_000 },
  })
})
