import { expect, test } from 'vitest'
import { EnvironmentError } from '../job-environment.ts'
import { CacheError } from './cache-store.ts'
import { tryCache } from './try-cache.ts'

interface Timer {
  readonly delayMs: number
  readonly fire: () => void
}

function tries(outcomes: readonly (Error | 'done' | 'never')[], attempts: number) {
  const said: string[] = []
  const timers = new Set<Timer>()
  const stop = new AbortController()
  let acts = 0
  const clock = {
    after(delayMs: number, fire: () => void) {
      const timer = { delayMs, fire }
      timers.add(timer)
      // Only limits are waited for.
      if (delayMs < 60_000) queueMicrotask(fire)
      return () => void timers.delete(timer)
    },
  }
  const say = async (text: string): Promise<void> => void said.push(text)
  const log = { line: say, warning: async (text: string) => say(`WARNING: ${text}`), error: say }
  const act = async (signal: AbortSignal): Promise<string> => {
    const outcome = outcomes[acts++]!
    if (outcome instanceof Error) throw outcome
    if (outcome === 'never')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    return outcome
  }
  const result = tryCache({ timeoutMs: 600_000, clock }, attempts, { log, signal: stop.signal }, act)
  return { result, said, timers, stop, acts: () => acts }
}

const failed = new CacheError('failed', 'no')
const cut = new EnvironmentError('cut', 'cut')

test.each([
  [1, ['done'], 'done', 1],
  [1, [failed], undefined, 1],
  [3, [failed, failed, 'done'], 'done', 3],
  [3, [failed, failed, failed], undefined, 3],
  [1, [cut, cut, 'done'], 'done', 3],
  [1, [cut, cut, cut], undefined, 3],
  [2, [cut, failed, cut, cut], undefined, 4],
] as const)('%d wanted, %j: %j after %d', async (attempts, outcomes, expected, acts) => {
  const run = tries(outcomes, attempts)
  expect(await run.result).toBe(expected)
  expect(run.acts()).toBe(acts)
  const failures = outcomes.slice(0, acts).filter((outcome) => outcome !== 'done')
  expect(run.said.filter((line) => line.startsWith('WARNING: '))).toEqual(
    failures.map(({ message }) => `WARNING: ${message}`),
  )
})

test('a lost machine and a stop of the job end it, whatever is wanted', async () => {
  const lost = new EnvironmentError('lost', 'gone')
  await expect(tries([lost], 9).result).rejects.toBe(lost)
  const stopped = tries(['never'], 9)
  stopped.stop.abort(new Error('canceled'))
  await expect(stopped.result).rejects.toThrow('canceled')
})

test('what takes too long fails, and leaves no timer', async () => {
  const run = tries(['never'], 1)
  const [limit] = [...run.timers]
  expect(limit?.delayMs).toBe(600_000)
  limit?.fire()
  expect(await run.result).toBeUndefined()
  expect(run.said).toEqual(['WARNING: it took longer than 10 minutes'])
  expect(run.timers.size).toBe(0)
})
