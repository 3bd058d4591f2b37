import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { KeepAlive } from './keep-alive.ts'

let clock: ManualClock
let isInUse: boolean
let askedAt: number[]
let lost: string[]
let startedAt: number
beforeEach(() => {
  clock = new ManualClock()
  startedAt = clock.now()
  isInUse = false
  askedAt = []
  lost = []
})

function keepAlive(intervalMs: number): KeepAlive {
  return new KeepAlive({
    clock,
    intervalMs,
    isInUse: () => isInUse,
    ask: () => askedAt.push(clock.now() - startedAt),
    onLost: (why) => lost.push(why),
  })
}

describe('a machine that says nothing any more', () => {
  test.each([
    { use: false, intervalMs: 30_000, questions: [30_000, 35_000, 40_000], lostMs: 45_000 },
    { use: true, intervalMs: 30_000, questions: [5000, 10_000, 15_000], lostMs: 20_000 },
    { use: true, intervalMs: 3_600_000, questions: [5000, 10_000, 15_000], lostMs: 20_000 },
    { use: false, intervalMs: 2000, questions: [2000, 4000, 6000], lostMs: 8000 },
    { use: true, intervalMs: 2000, questions: [2000, 4000, 6000], lostMs: 8000 },
  ])(
    'is lost after $lostMs ms (in use: $use, interval $intervalMs ms)',
    async ({ use, intervalMs, questions, lostMs }) => {
      isInUse = use
      keepAlive(intervalMs)
      await clock.advance(lostMs - 1)
      expect([askedAt, lost]).toEqual([questions, []])
      await clock.advance(1)
      expect(lost).toEqual([`no answer to 3 keep-alive requests within ${questions[0] === 2000 ? 6 : 15} s`])
      await clock.advance(3_600_000)
      expect([askedAt, lost.length, clock.pendingTimers]).toEqual([questions, 1, 0])
    },
  )

  test('is noticed as soon, when it comes into use only then', async () => {
    keepAlive(30_000)
    await clock.advance(6000)
    isInUse = true
    await clock.advance(4000 + 15_000)
    expect(lost).toHaveLength(1)
  })
})

test('a machine that stands still for less than 15 s is not lost, whenever it is; the next silence counts from the beginning', async () => {
  isInUse = true
  const watch = keepAlive(30_000)
  for (let time = 0; time < 20; time += 1) {
    await clock.advance(19_999)
    watch.heard()
  }
  expect(lost).toEqual([])
  expect(watch.lastHeardAt).toBe(clock.now())
})

test('a machine that talks is not asked; one that is not to be asked never is', async () => {
  isInUse = true
  const watch = keepAlive(30_000)
  for (let time = 0; time < 100; time += 1) {
    await clock.advance(4999)
    watch.heard()
  }
  watch.stop()
  keepAlive(0)
  await clock.advance(3_600_000)
  expect([askedAt, lost, clock.pendingTimers]).toEqual([[], [], 0])
})

/**
 * The event loop of a process that now and then stands still. In each turn the timers that are due come first, then
 * what lies in the socket is read, then what was written is sent.
 */
test('a machine that answers within 14 s is not lost, however this process stands still, nor is its answer that lies unread', () => {
  const turnMs = fc.oneof(fc.nat({ max: 900 }), fc.nat({ max: 60_000 }))
  fc.assert(
    fc.property(fc.array(turnMs, { minLength: 50, maxLength: 300 }), fc.nat({ max: 13_999 }), (turns, answerMs) => {
      let now = 0
      let timers: { readonly at: number; readonly callback: () => void }[] = []
      const stalling: Clock = {
        now: () => now,
        wallTime: () => now,
        after(delayMs, callback) {
          const timer = { at: now + delayMs, callback }
          timers.push(timer)
          return () => {
            timers = timers.filter((other) => other !== timer)
          }
        },
      }
      let written = 0
      let answersAt: number[] = []
      const watch = new KeepAlive({
        clock: stalling,
        intervalMs: 30_000,
        isInUse: () => true,
        ask: () => {
          written += 1
        },
        onLost: (why) => lost.push(why),
      })
      for (const ms of turns) {
        now += ms
        const due = timers.filter(({ at }) => at <= now)
        timers = timers.filter(({ at }) => at > now)
        for (const { callback } of due) callback()
        if (answersAt.some((at) => at <= now)) watch.heard()
        answersAt = answersAt.filter((at) => at > now)
        for (; written > 0; written -= 1) answersAt.push(now + answerMs)
      }
      expect(lost).toEqual([])
    }),
    { numRuns: 500 },
  )
})
