import type { InstanceChange } from '@runner-core/fleeting/provisioner'
import { type Decision, durationText } from '@runner-core/taskscaler'

/** What the record keeps of a change of an instance; nothing for most of them. Pure. */
export function instanceDecisions(change: InstanceChange, now: number, at: number): Decision[] {
  const { instance } = change
  const decision = (kind: Decision['kind'], reason: string): Decision => ({ at, kind, instance: instance.id, reason })
  if (change.kind === 'seen') return [decision('seen', seenText(change)), ...removalOf(change, decision)]
  if (change.kind === 'gone') {
    const life = durationText(now - instance.seenAt)
    if (change.lost)
      return [decision('lost', `went without our doing after ${life}, last seen ${instance.state}${detailOf(change)}`)]
    return [
      decision('gone', `gone after ${life}${instance.removal === undefined ? '' : `; ${instance.removal.reason}`}`),
    ]
  }
  const { before } = change
  const changed: Decision[] = []
  if (instance.interruptedAt !== undefined && before.interruptedAt === undefined) {
    changed.push(decision('interrupted', 'the cloud announced an interruption: no more jobs, running ones may finish'))
  }
  if (instance.failing !== before.failing) {
    changed.push(
      instance.failing === undefined ? decision('healthy', 'responds again') : decision('unhealthy', instance.failing),
    )
  }
  return before.removal === undefined ? [...changed, ...removalOf(change, decision)] : changed
}

function removalOf(
  { instance }: InstanceChange,
  decision: (kind: Decision['kind'], reason: string) => Decision,
): Decision[] {
  return instance.removal === undefined ? [] : [decision('remove', instance.removal.reason)]
}

function seenText({ instance }: InstanceChange): string {
  const origin = {
    requested: 'it was requested',
    adopted: 'it existed before this manager',
    unexpected: 'this fleet did not request it',
  }[instance.cause]
  return `${origin}, ${instance.state}${detailOf({ instance })}`
}

function detailOf({ instance }: Pick<InstanceChange, 'instance'>): string {
  return instance.detail === undefined ? '' : ` (${instance.detail})`
}
