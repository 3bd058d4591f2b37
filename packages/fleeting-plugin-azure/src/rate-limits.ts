import type { GroupRateLimits } from '@runner-core/fleeting'
import type { SetModel } from './model.ts'

const perMinute = (refill: number, size: number): { size: number; perSecond: number } => ({
  size,
  perSecond: refill / 60,
})

/** Rows of one page of a list: Azure publishes no number, so this is what a list is taken to cost. */
const pageSize = 500
/** Machines that are asked for by id in one go. */
export const maxDescribed = 16

/**
 * Of so many lists, made every two seconds after a change, one also asks how the change stands, and at its end for the
 * size: Azure wants to be asked every ten seconds or more.
 */
const listsPerLook = 5

/**
 * What Microsoft publishes (learn.microsoft.com/azure/virtual-machines/compute-throttling-limits, of 2024-05-27): the
 * level of one resource where there is one, otherwise that of the subscription in a region. The page names no policy
 * for the list of a Uniform set's machines; it is taken for a High Cost Get. `ResourceManagerReads` is from memory.
 */
const buckets: Readonly<Record<Bucket, ReturnType<typeof perMinute>>> = {
  ScaleSetUpdate: perMinute(4, 12),
  ScaleSetLowCostGet: perMinute(12, 36),
  ScaleSetHighCostGet: perMinute(10, 30),
  ScaleSetVMDelete: perMinute(500, 1500),
  VMHighCostGet: perMinute(300, 900),
  GetOperation: perMinute(15, 45),
  ResourceManagerReads: { size: 250, perSecond: 25 },
}

/** What a request draws from. */
export type Bucket =
  | 'ScaleSetUpdate'
  | 'ScaleSetLowCostGet'
  | 'ScaleSetHighCostGet'
  | 'ScaleSetVMDelete'
  | 'VMHighCostGet'
  | 'GetOperation'
  | 'ResourceManagerReads'

/** `remaining`: what Azure's answers said is left. */
export function rateLimitsOf(
  mode: SetModel['mode'],
  remaining: () => Readonly<Record<string, number>>,
): GroupRateLimits {
  const lists = mode === 'Uniform' ? 'ScaleSetHighCostGet' : 'VMHighCostGet'
  return {
    buckets,
    remaining,
    draws(operation, count) {
      const pages = Math.max(1, Math.ceil(count / pageSize))
      switch (operation) {
        case 'list':
          return { [lists]: pages, GetOperation: 1 / listsPerLook, ScaleSetLowCostGet: 1 / listsPerLook }
        case 'owners':
          return { ScaleSetLowCostGet: 1 }
        // After a delete, whose machines the size may still count, one list.
        case 'increase':
          return { ScaleSetLowCostGet: 1, ScaleSetUpdate: 1, [lists]: 1 }
        case 'claim':
          return { ScaleSetLowCostGet: 1, ScaleSetUpdate: 1 }
        case 'decrease':
          return { ScaleSetVMDelete: count }
        case 'describe':
          return { ResourceManagerReads: Math.min(count, maxDescribed) }
        case 'connectInfo':
          return { ResourceManagerReads: pages }
      }
    },
  }
}
