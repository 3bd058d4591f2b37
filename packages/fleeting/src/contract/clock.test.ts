import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from './clock.ts'

const dayMs = 86_400_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a timer of the system clock', () => {
  test.each([30 * dayMs, 2 ** 31 - 1, 2 ** 31, 100 * dayMs])('fires once, after %d ms and not before', (delayMs) => {
    const callback = vi.fn()
    systemClock.after(delayMs, callback)
    vi.advanceTimersByTime(delayMs - 1)
    expect(callback).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    vi.advanceTimersByTime(200 * dayMs)
    expect(callback).toHaveBeenCalledOnce()
  })

  test('is cancelled in whatever part of its time, and one without an end never fires', () => {
    const callback = vi.fn()
    const cancel = systemClock.after(60 * dayMs, callback)
    const cancelNever = systemClock.after(Infinity, callback)
    vi.advanceTimersByTime(40 * dayMs)
    cancel()
    vi.advanceTimersByTime(400 * dayMs)
    cancelNever()
    expect(callback).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('fires as soon as it can when its time has passed', () => {
    const callback = vi.fn()
    systemClock.after(-5, callback)
    vi.advanceTimersByTime(0)
    expect(callback).toHaveBeenCalledOnce()
  })
})
