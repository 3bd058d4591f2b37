import { expect, it } from 'vitest'
import { GroupError } from '../../contract/errors.ts'
import { ManualClock } from '../../testing/manual-clock.ts'
import { GroupCaller } from './group-caller.ts'

it.each([
  [1000, 1, 1100],
  [0, 1, 1100],
  [1000, 2, 5000],
  [undefined, 1, 5000],
])('with a hint of %s ms calls wait after %i refusals for %i ms', async (retryAfterMs, refusals, waitMs) => {
  const clock = new ManualClock()
  const caller = new GroupCaller({ clock, random: () => 1, observer: {}, timeoutMs: 60_000 })
  const hint = retryAfterMs === undefined ? {} : { retryAfterMs }
  for (let refusal = 0; refusal < refusals; refusal += 1) caller.holdOff(new GroupError('throttled', 'slow down', hint))
  expect(caller.hold?.until).toBe(clock.now() + waitMs)
})

it('a call that waited for a throttle waits for the next one too', async () => {
  const clock = new ManualClock()
  const caller = new GroupCaller({ clock, random: () => 1, observer: {}, timeoutMs: 60_000 })
  caller.holdOff(new GroupError('throttled', 'slow down', { retryAfterMs: 10_000 }))
  let calledAt = 0
  void caller.call('list', async () => {
    calledAt = clock.now()
  })
  await clock.advance(9_000)
  caller.holdOff(new GroupError('throttled', 'slow down', { retryAfterMs: 40_000 }))
  await clock.advance(39_000)
  expect(calledAt).toBe(0)
  await clock.advance(10_000)
  expect(calledAt).toBe(1_053_000)
})
