import type { LaunchState } from '@runner-core/fleeting/provisioner'
import type { InstanceSlots } from '../slots/instance-slots.ts'
import type { ComingInstance } from './explain-wait.ts'

/** The instances that are being made, seen or not, the one begun first first. */
export function comingInstances(coming: Iterable<InstanceSlots>, launches: LaunchState): ComingInstance[] {
  const seen = Array.from(coming, ({ instance }): ComingInstance => {
    const { missingSince } = instance
    if (missingSince !== undefined) return { id: instance.id, doing: 'missing', since: missingSince }
    const doing = instance.state === 'creating' ? 'creating' : 'starting'
    return { id: instance.id, doing, since: instance.requestedAt ?? instance.seenAt }
  })
  const askedFor = launches.outstanding.flatMap(({ count, requestedAt, isUnconfirmed }) =>
    Array.from(
      { length: count },
      (): ComingInstance => ({ doing: isUnconfirmed ? 'unconfirmed' : 'requested', since: requestedAt }),
    ),
  )
  return [...seen, ...askedFor].sort((a, b) => a.since - b.since)
}
