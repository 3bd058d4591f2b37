import { expect, it } from 'vitest'
import { brokenReason, type Instance, isUsable, withHealth } from './instance.ts'

const instance = (fields: Partial<Instance>): Instance =>
  withHealth({
    id: 'a',
    state: 'running',
    cause: 'requested',
    seenAt: 0,
    stateSince: 0,
    missed: false,
    healthy: true,
    ...fields,
  })

it('is usable while it runs, is healthy and stays', () => {
  expect(
    (
      [
        'creating',
        'running',
        'suspending',
        'suspended',
        'resuming',
        'deleting',
        'deleted',
        'failed',
        'unknown',
      ] as const
    ).filter((state) => isUsable(instance({ state }))),
  ).toEqual(['running'])
  const bad: Partial<Instance>[] = [
    { missed: true },
    { failing: 'x' },
    { interruptedAt: 1 },
    { removal: { reason: '', at: 1 } },
  ]
  for (const fields of bad) expect(isUsable(instance(fields))).toBe(false)
})

it('is broken when it failed, or has been in a passing state for too long', () => {
  expect(brokenReason(instance({ state: 'failed', detail: 'no disk' }), 0, 1000)).toBe('failed: no disk')
  for (const state of ['creating', 'deleting', 'resuming', 'suspending', 'unknown'] as const) {
    expect(brokenReason(instance({ state }), 999, 1000)).toBeUndefined()
    expect(brokenReason(instance({ state }), 1000, 1000)).toBe(`stuck in state ${state} for 1 s`)
  }
  for (const state of ['running', 'suspended'] as const)
    expect(brokenReason(instance({ state }), 1e9, 1000)).toBeUndefined()
  expect(brokenReason(instance({ missed: true, missingSince: 1 }), 1000, 1000)).toBeUndefined()
  expect(brokenReason(instance({ state: 'creating', missed: true }), 1e9, 1000)).toBeUndefined()
  expect(brokenReason(instance({ missed: true, missingSince: 0 }), 1000, 1000)).toBe('missing from the list for 1 s')
})
