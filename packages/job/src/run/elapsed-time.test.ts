import { ManualClock } from '@runner-core/fleeting/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { ElapsedTime } from './elapsed-time.ts'

let clock: ManualClock
beforeEach(() => {
  clock = new ManualClock()
})

describe('the time that a job has taken', () => {
  test('goes on from what is known, whatever is done to the wall clock', async () => {
    const elapsed = new ElapsedTime(clock, 5000)
    clock.jumpWallTime(-3_600_000)
    await clock.advance(1000)
    expect(elapsed.ms).toBe(6000)
  })

  test('makes up for what passed unseen, and never goes back', async () => {
    const elapsed = new ElapsedTime(clock, 5000)
    await clock.advance(1000)
    elapsed.learn(60_000, clock.now() - 500)
    expect(elapsed.ms).toBe(60_500)
    elapsed.learn(1000, clock.now())
    elapsed.learn(Number.NaN, clock.now())
    expect(elapsed.ms).toBe(60_500)
  })

  test('calls back when it is reached: earlier where more had passed than was known, and once', async () => {
    const elapsed = new ElapsedTime(clock, 0)
    const calls: string[] = []
    elapsed.when(10_000, () => calls.push('ten'))
    elapsed.when(20_000, () => calls.push('twenty'))
    const cancel = elapsed.when(15_000, () => calls.push('cancelled'))
    cancel()
    await clock.advance(1000)
    elapsed.learn(15_000, clock.now())
    await clock.advance(0)
    expect(calls).toEqual(['ten'])
    await clock.advance(4999)
    expect(calls).toEqual(['ten'])
    await clock.advance(1)
    expect(calls).toEqual(['ten', 'twenty'])
    expect(clock.pendingTimers).toBe(0)
  })
})
