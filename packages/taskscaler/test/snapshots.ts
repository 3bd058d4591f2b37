import type { LaunchState } from '@runner-core/fleeting/provisioner'
import { defaultPolicy, type ResolvedPolicy, type ScalingSnapshot } from '../src/index.ts'

export const now = 1_000_000
/** Nothing stands in the way of launches. */
export const open: LaunchState = {
  now,
  maxInstances: 1000,
  maximumOf: 'configuration',
  known: 0,
  outstanding: [],
  backoffs: [],
  breaker: { state: 'closed' },
  throttle: { tokens: 1000, perSecond: Number.POSITIVE_INFINITY, burst: 1000 },
  closed: false,
}
/** No demand, no instance. */
export const empty: ScalingSnapshot = {
  capacityPerInstance: 1,
  maxUseCount: 0,
  demand: { acquired: 0, waiting: 0, reserved: 0, queued: [] },
  supply: { available: 0, pending: 0, idle: [], condemned: [] },
  placements: [],
  launches: open,
}
export const nothingKept: ResolvedPolicy = { ...defaultPolicy, idleTimeMs: 60_000 }
