import { expect, test } from 'vitest'
import { assessHealth, type RunnerHealth, type RunnerProgress } from './health.ts'

const now = 10_000_000
const good: NonNullable<RunnerProgress['running']> = {
  poller: 'asking',
  pollerPassedAt: now - 5_000,
  scalerPassedAt: now - 10_000,
  listedAt: now - 60_000,
  updateIntervalMs: 60_000,
}
const runnerHealth = (kind: 'live' | 'ready', runner: Omit<RunnerProgress, 'name'>): RunnerHealth => {
  const report = assessHealth(
    kind,
    [
      { name: 'fine', running: good },
      { name: 'a', ...runner },
    ],
    now,
  )
  const health = report.runners[1] as RunnerHealth
  expect(report.status).toBe(health.problems.length === 0 ? 'ok' : 'unavailable')
  return health
}

test.each([
  ['a runner that works', { running: good }, [], []],
  ['a start under way', {}, [], ['the fleet is starting']],
  ['a fleet that another process has taken', { hasDeparted: true as const }, [], ['this process has lost the fleet']],
  [
    'an entry of the file that is refused',
    { refusals: ['one', 'two'] },
    [],
    ['it does not run: one', 'it does not run: two'],
  ],
  ['a start that fails', { startError: 'no permission' }, [], ['the fleet does not start: no permission']],
  [
    'a token that was refused once',
    {
      running: {
        ...good,
        poller: 'backing off' as const,
        coordinatorTrouble: { since: now - 1_000, error: '403 Forbidden', refusedUntil: now + 2_000 },
      },
    },
    [],
    [
      "GitLab refuses the runner's token, next request in 2 s: correct token in config.toml and restart, or allow the runner on the server: 403 Forbidden",
    ],
  ],
  [
    'a token that was refused too often',
    {
      running: {
        ...good,
        poller: 'paused' as const,
        coordinatorTrouble: { since: now - 9_000, error: '403 Forbidden', refusedUntil: now + 290_000 },
      },
    },
    [],
    [
      "GitLab refuses the runner's token, next request in 290 s: correct token in config.toml and restart, or allow the runner on the server: 403 Forbidden",
    ],
  ],
  ['a stop', { running: { ...good, poller: 'stopped' as const, pollerPassedAt: 0 } }, [], ['the runner is stopping']],
  [
    'a group not read',
    { running: { ...good, listedAt: now - 250_000 } },
    [],
    ['the group has been unreadable for 250 s'],
  ],
  [
    'a group not read, with the reason',
    { running: { ...good, listedAt: now - 250_000, listError: 'no permission' } },
    [],
    ['the group has been unreadable for 250 s: no permission'],
  ],
  [
    'a hanging loop',
    { running: { ...good, pollerPassedAt: now - 61_000 } },
    ['the job loop has made no pass for 61 s'],
    ['the job loop has made no pass for 61 s'],
  ],
  [
    'a plugin whose process is down',
    { running: { ...good, groupTrouble: 'plugin fleeting-plugin-moon ended (signal SIGKILL)' } },
    [],
    ['the group cannot be reached: plugin fleeting-plugin-moon ended (signal SIGKILL)'],
  ],
  [
    'a hanging scaler',
    { running: { ...good, scalerPassedAt: now - 90_000 } },
    ['the scaler has made no pass for 90 s'],
    ['the scaler has made no pass for 90 s'],
  ],
])('%s', (_case, runner, notLive, notReady) => {
  expect(runnerHealth('live', runner)).toMatchObject({ problems: notLive, warnings: [] })
  expect(runnerHealth('ready', runner)).toMatchObject({ problems: notReady, warnings: [] })
})

test('a part of the group that is out of reach is named, and leaves the runner ready', () => {
  const running = { ...good, partTrouble: 'b: plugin moon ended (signal SIGKILL)' }
  const warnings = ['part of the group does not work: b: plugin moon ended (signal SIGKILL)']
  expect(runnerHealth('ready', { running })).toMatchObject({ problems: [], warnings })
  expect(runnerHealth('live', { running })).toMatchObject({ problems: [], warnings: [] })
})

test('instances that are missing from the list in a mass are told of, and leave the runner ready', () => {
  const running = { ...good, massDisappearance: { since: now - 45_000, missing: 12 } }
  const warnings = [
    "12 instances have been missing from the group's list at once for 45 s: none is given up for that alone",
  ]
  expect(runnerHealth('ready', { running })).toMatchObject({ problems: [], warnings })
  expect(runnerHealth('live', { running })).toMatchObject({ problems: [], warnings: [] })
})

test('when the whole cannot be read, its error names the parts already', () => {
  const running = { ...good, listedAt: now - 70_000, listError: 'a: down; b: down', partTrouble: 'a: down; b: down' }
  expect(runnerHealth('ready', { running }).warnings).toEqual([
    'the group has been unreadable for 70 s: a: down; b: down',
  ])
})

test('what the runner waits for is listed, and leaves it ready', () => {
  const running = {
    ...good,
    poller: 'backing off' as const,
    coordinatorTrouble: { since: now - 35_400, error: 'no answer: connect ECONNREFUSED 127.0.0.1:9' },
    listedAt: now - 70_000,
    listError: 'throttled',
  }
  const warnings = [
    'GitLab has given no usable answer for 35 s: no answer: connect ECONNREFUSED 127.0.0.1:9',
    'the group has been unreadable for 70 s: throttled',
  ]
  expect(runnerHealth('ready', { running })).toMatchObject({ state: 'backing off', problems: [], warnings })
  expect(runnerHealth('live', { running })).toMatchObject({ problems: [], warnings: [] })
})
