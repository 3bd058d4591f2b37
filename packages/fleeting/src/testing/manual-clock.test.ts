import { expect, it } from 'vitest'
import { delay } from '../contract/clock.ts'
import { ManualClock } from './manual-clock.ts'

it('fires timers in order of time, those set on the way included', async () => {
  const clock = new ManualClock()
  const start = clock.now()
  const fired: string[] = []
  const note = (name: string) => () => fired.push(`${name} ${clock.now() - start}`)
  clock.after(30, note('c'))
  clock.after(10, () => {
    note('a')()
    clock.after(10, note('b'))
  })
  clock.after(30, note('d'))
  const cancel = clock.after(20, note('never'))
  cancel()
  await clock.advance(29)
  expect(fired).toEqual(['a 10', 'b 20'])
  await clock.advance(1)
  expect(fired).toEqual(['a 10', 'b 20', 'c 30', 'd 30'])
  expect(clock.pendingTimers).toBe(0)
})

it('lets promises settle between timers', async () => {
  const clock = new ManualClock()
  const start = clock.now()
  const passed: number[] = []
  const walk = async (): Promise<void> => {
    for (let step = 0; step < 3; step += 1) {
      await delay(clock, 10)
      passed.push(clock.now() - start)
    }
  }
  const walking = walk()
  await clock.advance(100)
  await walking
  expect(passed).toEqual([10, 20, 30])
})

it('moves the wall time alone', () => {
  const clock = new ManualClock()
  const before = [clock.now(), clock.wallTime()]
  clock.jumpWallTime(-5000)
  expect([clock.now(), clock.wallTime()]).toEqual([before[0], before[1]! - 5000])
})
