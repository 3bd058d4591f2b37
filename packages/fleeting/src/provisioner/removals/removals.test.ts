import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GroupError } from '../../contract/errors.ts'
import { afterAccepted, afterRefused, dueRemovals, type RemovalTask, sentAtOf } from './removals.ts'

const task = (id: string, nextSendAt = 0): RemovalTask => ({
  id,
  reason: 'test',
  written: true,
  accepted: 0,
  refused: 0,
  nextSendAt,
})
const transient = new GroupError('transient', '')

describe('removals', () => {
  it('are sent again after ever longer waits, but never given up', () => {
    let current = task('a')
    const waits: number[] = []
    for (let now = 0; waits.length < 7; now = current.nextSendAt) {
      current = afterAccepted(current, now, 60)
      waits.push(current.nextSendAt - now)
    }
    expect(waits).toEqual([60, 120, 240, 480, 600, 600, 600])
  })

  it('back off while they are refused, and start anew once accepted', () => {
    const refused = afterRefused(
      afterRefused(task('a'), transient, 0, () => 1),
      transient,
      0,
      () => 1,
    )
    expect(refused).toMatchObject({ refused: 2, nextSendAt: 4000 })
    expect(afterRefused(task('a'), new GroupError('conflict', '', { retryAfterMs: 9000 }), 0, () => 0).nextSendAt).toBe(
      9000,
    )
    expect(afterAccepted(refused, 5000, 60)).toMatchObject({ refused: 0, accepted: 1 })
  })

  it('count as sent from the first delete on that may have taken effect: not one that was refused', () => {
    const sending = { ...task('a'), sendingAt: 5 }
    const refusal = new GroupError('auth', '')
    expect(sentAtOf(sending)).toBe(5)
    const refused = afterRefused(sending, refusal, 6, () => 1)
    expect(sentAtOf(refused)).toBeUndefined()
    const lost = afterRefused({ ...refused, sendingAt: 7 }, transient, 8, () => 1)
    expect(sentAtOf(lost)).toBe(7)
    expect(sentAtOf(afterRefused({ ...lost, sendingAt: 9 }, refusal, 10, () => 1))).toBe(7)
    expect(sentAtOf(afterAccepted({ ...refused, sendingAt: 11 }, 12, 60))).toBe(11)
  })

  it('are taken longest due first, so that none waits for ever behind others', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100)), fc.nat(100), fc.integer({ min: 1, max: 10 }), (times, now, limit) => {
        const tasks = times.map((at, index) => task(String(index), at))
        const due = dueRemovals(tasks, now, limit)
        const all = times.filter((at) => at <= now).toSorted((a, b) => a - b)
        expect(due.map(({ nextSendAt }) => nextSendAt)).toEqual(all.slice(0, limit))
      }),
    )
  })
})
