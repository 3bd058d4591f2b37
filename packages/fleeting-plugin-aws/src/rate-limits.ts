import type { GroupRateLimits } from '@runner-core/fleeting'
import { maxDescribed, maxTerminated } from './call-sizes.ts'
import type { AwsConfig } from './config.ts'

/** What a request draws from. */
export type Bucket =
  | 'autoscaling:read'
  | 'autoscaling:write'
  | 'ec2:describe'
  | 'ec2:console'
  | 'ec2-instance-connect:push'

/**
 * AWS's token buckets of an account in a region. `ec2:describe` is of EC2's guide "Request throttling for the Amazon
 * EC2 API"; the others are assumed: Auto Scaling publishes no numbers, and those of the console output and of Instance
 * Connect were not found.
 */
const buckets: Readonly<Record<Bucket, { readonly size: number; readonly perSecond: number }>> = {
  'autoscaling:read': { size: 100, perSecond: 20 },
  'autoscaling:write': { size: 50, perSecond: 5 },
  'ec2:describe': { size: 100, perSecond: 20 },
  'ec2:console': { size: 100, perSecond: 20 },
  'ec2-instance-connect:push': { size: 20, perSecond: 20 },
}

export function rateLimits({
  credentials,
  launchMode,
}: Pick<AwsConfig, 'credentials' | 'launchMode'>): GroupRateLimits {
  return {
    buckets,
    draws(operation, count) {
      // A look at the spot requests included, which groups without spot instances save, or one at instances that are
      // new.
      if (operation === 'list') return { 'autoscaling:read': 1, 'ec2:describe': 1 }
      if (operation === 'describe') return { 'ec2:describe': Math.ceil(count / maxDescribed) }
      if (operation === 'increase') {
        const isInstant = launchMode === 'launch_instances'
        return {
          'autoscaling:read': isInstant ? 1 : 2,
          'autoscaling:write': isInstant ? 1 + Math.ceil(count / 100) : 2,
        }
      }
      if (operation === 'decrease')
        return { 'autoscaling:read': 1, 'autoscaling:write': Math.ceil(count / maxTerminated) }
      if (operation === 'owners') return { 'autoscaling:read': 1 }
      if (operation === 'claim') return { 'autoscaling:write': 1 }
      const isPushed = credentials === undefined || credentials === 'instance-connect'
      return {
        'ec2:describe': 1 / maxDescribed,
        'ec2:console': 1,
        ...(isPushed && { 'ec2-instance-connect:push': 1 }),
      }
    },
  }
}
