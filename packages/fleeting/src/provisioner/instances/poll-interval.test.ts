import { expect, it } from 'vitest'
import { defaultProvisionerSettings } from '../settings.ts'
import type { Instance } from './instance.ts'
import { pollIntervalMs } from './poll-interval.ts'

const instance = (fields: Partial<Instance> = {}): Instance => ({
  id: 'a',
  state: 'running',
  cause: 'adopted',
  seenAt: 0,
  stateSince: 0,
  missed: false,
  healthy: true,
  ...fields,
})
const interval = (instances: Instance[], { launching = false, busy = false } = {}) =>
  pollIntervalMs({ launching, instances, isBusy: () => busy, now: 100_000 }, defaultProvisionerSettings)

it('is slow at rest, quicker while an instance is in use, and fast while something is expected', () => {
  expect(interval([])).toBe(60_000)
  expect(interval([instance()])).toBe(60_000)
  expect(interval([instance({ state: 'suspended' })])).toBe(60_000)
  expect(interval([instance()], { busy: true })).toBe(5000)
  expect(interval([], { launching: true })).toBe(2000)
  expect(interval([instance(), instance({ state: 'creating' })], { busy: true })).toBe(2000)
  expect(interval([instance({ removal: { reason: '', at: 0 } })])).toBe(2000)
  expect(interval([instance({ missed: true, missingSince: 40_001 })])).toBe(2000)
  expect(interval([instance({ missed: true, missingSince: 40_000 })])).toBe(5000)
  expect(interval([instance({ state: 'unknown' })])).toBe(2000)
})

it('of a large fleet in use is longer, never longer than at rest', () => {
  const fleet = (count: number) =>
    interval(
      Array.from({ length: count }, () => instance()),
      { busy: true },
    )
  expect(fleet(500)).toBe(5000)
  expect(fleet(1000)).toBe(10_000)
  expect(fleet(20_000)).toBe(60_000)
})
