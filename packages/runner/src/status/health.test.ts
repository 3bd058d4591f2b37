import { expect, test } from 'vitest'
import { assessHealth, type RunnerProgress } from './health.ts'

const now = 10_000_000
const good: NonNullable<RunnerProgress['running']> = {
  loop: 'asking',
  loopPassedAt: now - 5_000,
  scalerPassedAt: now - 10_000,
  listedAt: now - 60_000,
  updateIntervalMs: 60_000,
}
const problems = (kind: 'live' | 'ready', runner: Omit<RunnerProgress, 'name'>): readonly string[] => {
  const report = assessHealth(
    kind,
    [
      { name: 'fine', running: good },
      { name: 'a', ...runner },
    ],
    now,
  )
  expect(report.status).toBe(report.runners[1]?.problems.length === 0 ? 'ok' : 'unavailable')
  return report.runners[1]?.problems ?? []
}

test.each([
  ['a runner that works', { running: good }, [], []],
  ['a start under way', {}, [], ['the fleet is starting']],
  ['a start that fails', { startError: 'no permission' }, [], ['the fleet does not start: no permission']],
  ['a refused token', { running: { ...good, loop: 'paused' as const } }, [], ['GitLab refuses the token']],
  ['a stop', { running: { ...good, loop: 'stopped' as const, loopPassedAt: 0 } }, [], ['the runner stops']],
  ['a group not read', { running: { ...good, listedAt: now - 250_000 } }, [], ['the group could not be read for 250 s']],
  [
    'a hanging loop',
    { running: { ...good, loopPassedAt: now - 61_000 } },
    ['the job loop made no pass for 61 s'],
    ['the job loop made no pass for 61 s'],
  ],
  [
    'a hanging scaler',
    { running: { ...good, scalerPassedAt: now - 90_000 } },
    ['the scaler made no pass for 90 s'],
    ['the scaler made no pass for 90 s'],
  ],
])('%s', (_case, runner, notLive, notReady) => {
  expect(problems('live', runner)).toEqual(notLive)
  expect(problems('ready', runner)).toEqual(notReady)
})
