import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import type { Instance } from '@aws-sdk/client-ec2'
import type { Tags } from '@runner-core/fleeting'

/** By key. */
export function tagsOf({ Tags = [] }: Pick<AutoScalingGroup, 'Tags'> | Pick<Instance, 'Tags'>): Tags {
  return Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value]))
}

/** Those of `wanted` that the group has not, or otherwise, or keeps from its instances. */
export function unwritten(wanted: Tags, { Tags = [] }: AutoScalingGroup): Tags {
  const stands = ([key, value]: readonly [string, string]): boolean =>
    Tags.some(({ Key, Value, PropagateAtLaunch }) => Key === key && Value === value && PropagateAtLaunch === true)
  return Object.fromEntries(Object.entries(wanted).filter((tag) => !stands(tag)))
}
