import type { RateLimit } from '../core/rate-limits.ts'

/**
 * AWS's token buckets for one account in one region, by the bucket names of the fake's calls. `ec2:describe` is
 * documented in "Request throttling for the Amazon EC2 API". The others are assumed: AWS publishes no limits of Auto
 * Scaling, Instance Connect and the console output.
 */
export const awsRateLimits: Readonly<Record<string, RateLimit>> = {
  'autoscaling:read': { size: 100, perSecond: 20 },
  'autoscaling:write': { size: 50, perSecond: 5 },
  'ec2:describe': { size: 100, perSecond: 20 },
  'ec2:console': { size: 100, perSecond: 20 },
  'ec2-instance-connect:push': { size: 20, perSecond: 20 },
}
