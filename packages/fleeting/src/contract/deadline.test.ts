import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { ManualClock } from '../testing/manual-clock.ts'
import { deadline } from './deadline.ts'

const late = new Error('late')

test('aborts when its time has come, with a reason made then', async () => {
  const clock = new ManualClock()
  using limit = deadline(clock, 100, () => late)
  await clock.advance(99)
  expect(limit.signal.aborted).toBe(false)
  await clock.advance(1)
  expect(limit.signal.reason).toBe(late)
})

test('follows its parent, also one that has aborted before', () => {
  const parent = new AbortController()
  using limit = deadline(new ManualClock(), 100, () => late, parent.signal)
  const reason = new Error('enough')
  parent.abort(reason)
  expect(limit.signal.reason).toBe(reason)
  using another = deadline(new ManualClock(), 100, () => late, parent.signal)
  expect(another.signal.reason).toBe(reason)
})

test('leaves neither a timer nor a listener', () => {
  const clock = new ManualClock()
  const parent = new AbortController()
  deadline(clock, 100, () => late, parent.signal)[Symbol.dispose]()
  expect(clock.pendingTimers).toBe(0)
  expect(getEventListeners(parent.signal, 'abort')).toEqual([])
})
