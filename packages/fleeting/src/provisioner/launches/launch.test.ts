import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptLaunch, countSeen, launchOf, mayBring, newLaunch, nextStep } from './launch.ts'

const row = (id: string, launchToken?: string, placement?: string) => ({
  id,
  state: 'running' as const,
  ...(launchToken !== undefined && { launchToken }),
  ...(placement !== undefined && { placement }),
})

function accepted(token: string, count: number, ids?: readonly string[], placement?: string) {
  const launch = newLaunch(token, count, placement, 'test', 0)
  acceptLaunch(launch, count, ids, () => false, 1000)
  return launch
}

describe('launchOf', () => {
  it('finds the launch by id, then by token, then the oldest that waits', () => {
    const byId = accepted('a', 1, ['i-1'])
    const byToken = accepted('b', 1)
    const oldest = accepted('c', 1)
    const all = [byId, byToken, oldest]
    expect(launchOf(all, row('i-1', 'b'), true)).toBe(byId)
    expect(launchOf(all, row('i-2', 'b'), true)).toBe(byToken)
    expect(launchOf(all, row('i-3'), false)).toBe(byToken)
    expect(launchOf([byId, oldest], row('i-3'), false)).toBe(oldest)
  })

  it('gives a stranger to nobody', () => {
    expect(launchOf([accepted('a', 1, ['i-1'])], row('i-9'), false)).toBeUndefined()
    expect(launchOf([accepted('a', 1)], row('i-9'), true)).toBeUndefined()
    expect(launchOf([accepted('a', 1)], row('i-9', 'theirs'), false)).toBeUndefined()
    expect(launchOf([newLaunch('a', 1, undefined, '', 0)], row('i-9'), false)).toBeUndefined()
    expect(launchOf([accepted('a', 1, undefined, 'north')], row('i-9', undefined, 'south'), false)).toBeUndefined()
  })
})

describe('a launch', () => {
  it('whose ids were told in part is found by those, and by nothing else than before', () => {
    const launch = accepted('a', 3, ['i-1'])
    expect(mayBring(launch)).toEqual(['launch a (3 requested)'])
    expect([launch.count, [...launch.ids]]).toEqual([3, ['i-1']])
    expect(launchOf([accepted('b', 1), launch], row('i-1'), false)).toBe(launch)
    expect(launchOf([launch], row('i-2'), false)).toBe(launch)
    countSeen(launch, 'i-1')
    expect([launch.count, [...launch.ids]]).toEqual([2, []])
    expect(launchOf([launch], row('i-2'), false)).toBe(launch)
  })

  it('counts to zero exactly once, in whatever order answer and instances come', () => {
    const order = fc.record({ count: fc.integer({ min: 1, max: 8 }), early: fc.nat(8), tellsIds: fc.boolean() })
    fc.assert(
      fc.property(order, ({ count, early, tellsIds }) => {
        const ids = Array.from({ length: count }, (_, index) => `i-${index}`)
        const before = ids.slice(0, Math.min(early, count))
        const launch = newLaunch('t', count, undefined, '', 0)
        launch.phase = 'sent'
        for (const id of before) countSeen(launch, id)
        acceptLaunch(launch, count, tellsIds ? ids : undefined, (id) => before.includes(id), 1000)
        expect(launch.count).toBe(count - before.length)
        for (const id of ids.slice(before.length)) {
          expect(launchOf([launch], row(id), false)).toBe(launch)
          countSeen(launch, id)
        }
        expect(launch.count).toBe(0)
      }),
    )
  })

  it('is not asked again once something of it was seen', () => {
    const launch = newLaunch('t', 3, undefined, '', 0)
    launch.phase = 'uncertain'
    countSeen(launch, 'i-1')
    expect(launch).toMatchObject({ phase: 'accepted', count: 2 })
  })
})

describe('nextStep', () => {
  const uncertain = {
    ...newLaunch('t', 1, undefined, '', 0),
    phase: 'uncertain' as const,
    deadlineAt: 100,
    listFrom: { number: 5, beganAt: 20 },
    retryAt: 30,
  }
  const list = (beganAt: number, number = 5) => ({ number, beganAt })

  it('sends what is queued, and waits for what was sent', () => {
    expect(nextStep(newLaunch('t', 1, undefined, '', 0), 0, list(0))).toBe('send')
    expect(nextStep({ ...uncertain, phase: 'sent' }, 500, list(500))).toBe('wait')
  })

  it('asks again only after a list that began late enough, and not past the deadline', () => {
    expect(nextStep(uncertain, 50, list(19))).toBe('wait')
    expect(nextStep(uncertain, 50, list(25, 4))).toBe('wait')
    expect(nextStep(uncertain, 29, list(25))).toBe('wait')
    expect(nextStep(uncertain, 30, list(25))).toBe('send')
    expect(nextStep(uncertain, 100, list(25))).toBe('wait')
  })

  it('ends a refusal once a list that began after it has not contradicted it', () => {
    expect(nextStep({ ...uncertain, retryAt: Infinity }, 50, list(20, 4))).toBe('wait')
    expect(nextStep({ ...uncertain, retryAt: Infinity }, 50, list(20))).toBe('end')
  })

  it('gives up after a list that began at the deadline or later', () => {
    const launch = accepted('t', 1)
    expect(nextStep(launch, 1500, list(999))).toBe('wait')
    expect(nextStep(launch, 1500, list(1000))).toBe('expired')
  })
})
