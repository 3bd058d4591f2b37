import type { RateLimit } from '../core/rate-limits.ts'

/**
 * AWS's token buckets for an account in a region, by the names that the fake's calls carry. EC2's are of its guide
 * "Request throttling for the Amazon EC2 API"; that of the console output, those of Auto Scaling, which publishes none,
 * and that of Instance Connect are assumed.
 */
export const awsRateLimits: Readonly<Record<string, RateLimit>> = {
  'autoscaling:read': { size: 100, perSecond: 20 },
  'autoscaling:write': { size: 50, perSecond: 5 },
  'ec2:describe': { size: 100, perSecond: 20 },
  'ec2:console': { size: 100, perSecond: 20 },
  'ec2-instance-connect:push': { size: 20, perSecond: 20 },
}
