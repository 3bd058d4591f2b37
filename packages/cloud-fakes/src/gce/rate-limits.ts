import type { RateLimit } from '../core/rate-limits.ts'

/**
 * What Compute Engine allows a project, per region: 1,500 requests a minute in each group of methods
 * (cloud.google.com/compute/api-quota, read in part). The service refills them at the start of each minute; here they
 * refill evenly.
 */
export const gceRateLimits: Readonly<Record<'default' | 'read', RateLimit>> = {
  default: { size: 1500, perSecond: 25 },
  read: { size: 1500, perSecond: 25 },
}
