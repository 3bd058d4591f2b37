import { expect, test } from 'vitest'
import { type ComingInstance, explainWait, type WaitFacts } from './explain-wait.ts'

const now = 1_000_000
const facts: WaitFacts = {
  kind: 'promised',
  readyAt: now + 45_000,
  isObserved: true,
  coming: [],
  heldBack: undefined,
  now,
}
const coming: ComingInstance[] = [
  { id: 'i-1', doing: 'starting', since: now - 70_000 },
  { id: 'i-2', doing: 'creating', since: now - 12_000 },
  { doing: 'requested', since: now - 400 },
  { doing: 'requested', since: now },
]

test('says what is being made since when, the first few by name', () => {
  expect(explainWait({ ...facts, coming })).toBe(
    '4 instances are starting (i-1 starting for 1 min 10 s, i-2 creating for 12 s, requested 0.4 s ago, and 1 more); a slot is expected in about 45 s',
  )
})

test('tells apart what an earlier process asked for and nobody has confirmed', () => {
  const unconfirmed: ComingInstance = { doing: 'unconfirmed', since: now - 9_000 }
  const text = 'requested by an earlier process 9 s ago, not confirmed'
  expect(explainWait({ ...facts, isObserved: false, coming: [unconfirmed] })).toBe(
    `no instance is starting; ${text}: 1`,
  )
  expect(explainWait({ ...facts, isObserved: false, coming: [...coming.slice(3), unconfirmed, unconfirmed] })).toBe(
    `1 instance is starting (requested 0.0 s ago); ${text}: 2`,
  )
})

test('does not call an instance one that is being made which is missing from the list', () => {
  const missing: ComingInstance[] = [
    { id: 'i-7', doing: 'missing', since: now - 9_000 },
    { id: 'i-8', doing: 'missing', since: now - 3_000 },
  ]
  expect(explainWait({ ...facts, isObserved: false, coming: missing.slice(1) })).toBe(
    'no instance is starting; missing from the list for 3 s: i-8',
  )
  expect(explainWait({ ...facts, isObserved: false, coming: [...coming.slice(3), ...missing] })).toBe(
    '1 instance is starting (requested 0.0 s ago); missing from the list for 9 s: i-7 and 1 more',
  )
})

test('says the place in the queue, what did not come, and what holds more back', () => {
  const heldBack = {
    count: 2,
    blockedBy: 'throttle',
    reason: 'launches are throttled to 0.5 per second, next try in 1 s',
  } as const
  expect(
    explainWait({
      ...facts,
      wait: { since: now - 95_000, position: 3, expired: 2 },
      coming: coming.slice(0, 1),
      heldBack,
    }),
  ).toBe(
    'waiting for a slot for 1 min 35 s, number 3 in the queue; the promised slot did not become available (2 times) and was planned again; ' +
      '1 instance is starting (i-1 starting for 1 min 10 s); 2 more wanted, but launches are throttled to 0.5 per second, next try in 1 s; a slot is expected in about 45 s',
  )
})

test('says why earlier launches came to nothing while the next is being made, unless that is why none is made', () => {
  const failures = '2 failures (failed_boot: slot 0 is held by job 4f of another manager)'
  const one = coming.slice(3)
  expect(explainWait({ ...facts, isObserved: false, coming: one, failures })).toBe(
    `1 instance is starting (requested 0.0 s ago); before: ${failures}`,
  )
  const heldBack = { count: 1, blockedBy: 'backoff', reason: `launches back off after ${failures}` } as const
  expect(explainWait({ ...facts, isObserved: false, heldBack, failures })).toBe(
    `no instance is starting; 1 more wanted, but launches back off after ${failures}`,
  )
})

test('has nothing to say about a slot that is held', () => {
  expect(explainWait({ ...facts, kind: 'slot', coming })).toBe('a ready slot is held')
})

test('names no date before an instance has ever become ready', () => {
  expect(explainWait({ ...facts, isObserved: false, coming: coming.slice(3) })).toBe(
    '1 instance is starting (requested 0.0 s ago)',
  )
})
