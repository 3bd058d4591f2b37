import type { RateLimit } from '../core/rate-limits.ts'

const perMinute = (refill: number, size: number): RateLimit => ({ size, perSecond: refill / 60 })

/**
 * The buckets that a scale set's calls draw from, as Microsoft publishes them
 * (learn.microsoft.com/azure/virtual-machines/compute-throttling-limits, of 2024-05-27): the level of one resource
 * where there is one, otherwise that of the subscription in a region. The page names no policy for the list of a
 * Uniform set's machines; it is taken for a High Cost Get. `ResourceManagerReads` is Resource Manager's own limit of a
 * subscription, and from memory.
 */
export const azureRateLimits: Readonly<Record<string, RateLimit>> = {
  ScaleSetUpdate: perMinute(4, 12),
  ScaleSetLowCostGet: perMinute(12, 36),
  ScaleSetHighCostGet: perMinute(10, 30),
  ScaleSetVMDelete: perMinute(500, 1500),
  VMHighCostGet: perMinute(300, 900),
  GetOperation: perMinute(15, 45),
  ResourceManagerReads: { size: 250, perSecond: 25 },
}
