import { expect, it } from 'vitest'
import { ManualClock } from './manual-clock.ts'
import { SkippingClock } from './skipping-clock.ts'

it('fires what falls due while it skips, keeps the rest in time, and knows what was cancelled', async () => {
  const real = new ManualClock()
  const clock = new SkippingClock(real)
  const fired: string[] = []
  clock.after(1000, () => fired.push('soon'))
  clock.after(5000, () => fired.push('later'))
  clock.after(1000, () => fired.push('never'))()
  const { now, wall } = { now: clock.now(), wall: clock.wallTime() }
  await real.advance(100)
  clock.skip(2000)
  expect([clock.now() - now, clock.wallTime() - wall]).toEqual([2100, 2100])
  await real.advance(0)
  expect(fired).toEqual(['soon'])
  await real.advance(2899)
  expect(fired).toEqual(['soon'])
  await real.advance(1)
  expect(fired).toEqual(['soon', 'later'])
  expect(real.pendingTimers).toBe(0)
})
