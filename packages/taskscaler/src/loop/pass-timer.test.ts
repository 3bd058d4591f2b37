import { silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { describe, expect, test } from 'vitest'
import { PassTimer } from './pass-timer.ts'

function rig(next: (now: number) => number): {
  clock: ManualClock
  timer: PassTimer
  passes: number[]
  errors: unknown[]
} {
  const clock = new ManualClock()
  const begin = clock.now()
  const passes: number[] = []
  const errors: unknown[] = []
  const logger = { ...silentLogger, error: (fields: object) => errors.push(fields) }
  const timer = new PassTimer(clock, logger, (now) => {
    passes.push(now - begin)
    return next(now)
  })
  return { clock, timer, passes, errors }
}

describe('PassTimer', () => {
  test('a burst of wakes makes one pass, at once after a rest and 20 ms after another pass', async () => {
    const { clock, timer, passes } = rig(() => Number.POSITIVE_INFINITY)
    timer.run()
    await clock.advance(1000)
    for (let wakes = 0; wakes < 5; wakes++) timer.wake()
    await clock.advance(0)
    for (let wakes = 0; wakes < 5; wakes++) timer.wake()
    await clock.advance(1000)
    expect(passes).toEqual([0, 1000, 1020])
  })

  test('comes back when the pass said, and sooner when woken', async () => {
    const { clock, timer, passes } = rig((now) => now + 300)
    timer.run()
    await clock.advance(350)
    timer.wake()
    await clock.advance(310)
    expect(passes).toEqual([0, 300, 350, 650])
  })

  test('a pass that wants to come back at once does not spin', async () => {
    const { clock, timer, passes } = rig((now) => now)
    timer.run()
    await clock.advance(100)
    expect(passes).toEqual([0, 20, 40, 60, 80, 100])
  })

  test('a pass that throws is logged, tried again, and is no progress', async () => {
    let broken = true
    const { clock, timer, passes, errors } = rig(() => {
      if (broken) throw new Error('broken')
      return Number.POSITIVE_INFINITY
    })
    timer.run()
    expect([timer.passedAt, errors.length]).toEqual([Number.NEGATIVE_INFINITY, 1])
    broken = false
    await clock.advance(5000)
    expect([passes, timer.passedAt]).toEqual([[0, 1000], 1_001_000])
  })

  test('stops', async () => {
    const { clock, timer, passes } = rig((now) => now + 10)
    timer.run()
    timer.stop()
    timer.wake()
    timer.run()
    await clock.advance(1000)
    expect([passes, clock.pendingTimers]).toEqual([[0], 0])
  })
})
