import { GroupError } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { startAgain } from './start-again.ts'

const never = (): void => {
  throw new Error('unexpected')
}

test('tries until it succeeds, waiting longer each time, up to a minute', async () => {
  const clock = new ManualClock()
  const waits: number[] = []
  let tries = 0
  const started = startAgain(
    async () => {
      tries += 1
      if (tries <= 9) throw new Error(`failure ${tries}`)
      return 'up'
    },
    {
      clock,
      random: () => 1,
      isFinal: () => false,
      signal: new AbortController().signal,
      onFailure: (_error, waitMs) => waits.push(waitMs),
    },
  )
  await clock.advance(600_000)
  expect(await started).toBe('up')
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
})

test('waits at least as long as the group asks for', async () => {
  const clock = new ManualClock()
  const waits: number[] = []
  const end = new AbortController()
  const started = startAgain(() => Promise.reject(new GroupError('throttled', 'slow down', { retryAfterMs: 90_000 })), {
    clock,
    random: () => 0,
    isFinal: () => false,
    signal: end.signal,
    onFailure: (_error, waitMs) => waits.push(waitMs),
  })
  await clock.advance(0)
  expect(waits).toEqual([90_000])
  end.abort(new Error('stop'))
  await expect(started).rejects.toThrow('stop')
  expect(clock.pendingTimers).toBe(0)
})

test('a failure that the abort caused is not told', async () => {
  const end = new AbortController()
  const start = async (): Promise<never> => {
    end.abort(new Error('stop'))
    throw new Error('aborted call')
  }
  await expect(
    startAgain(start, {
      clock: new ManualClock(),
      random: Math.random,
      isFinal: () => false,
      signal: end.signal,
      onFailure: never,
    }),
  ).rejects.toThrow('stop')
})

test('a failure that no later try can heal ends the tries', async () => {
  const clock = new ManualClock()
  const final = new Error('for good')
  const waits: number[] = []
  const failures = [new Error('for now'), final]
  const started = startAgain(() => Promise.reject(failures.shift() ?? new Error('tried again')), {
    clock,
    random: () => 1,
    isFinal: (error) => error === final,
    signal: new AbortController().signal,
    onFailure: (_error, waitMs) => waits.push(waitMs),
  })
  const ended = expect(started).rejects.toBe(final)
  await clock.advance(600_000)
  await ended
  expect(waits).toEqual([1_000])
  expect(clock.pendingTimers).toBe(0)
})
