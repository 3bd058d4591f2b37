import type { Clock, InstanceGroup, Logger, Random } from '@runner-core/fleeting'
import { MultiGroup } from '@runner-core/fleeting/multi'
import { launchTimeoutMs } from './manager.ts'

export interface MemberGroupsOptions {
  /** Names of the members, the preferred first. */
  readonly members: readonly string[]
  /** One of them, with ids of the whole: each begins with the member's name and a slash. */
  readonly groupOf: (member: string) => InstanceGroup
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** How long a member that had no capacity is left alone at first. */
export const noCapacityMs = 60_000

/** The real multi group over parts of one cloud, with the ids that the cloud has. */
export function memberGroups({ members, groupOf, ...rest }: MemberGroupsOptions): InstanceGroup {
  const own = members.map((name) => ({ name, create: () => withOwnIds(groupOf(name), `${name}/`) }))
  return new MultiGroup({ id: 'multi/world', members: own, noCapacityMs, launchTimeoutMs, ...rest })
}

/** A group whose ids lack what they all begin with. */
function withOwnIds(group: InstanceGroup, prefix: string): InstanceGroup {
  const own = (id: string): string => id.slice(prefix.length)
  const whole = (id: string): string => prefix + id
  const rows = <Row extends { readonly id: string }>(all: readonly Row[]): readonly Row[] =>
    all.map((row) => ({ ...row, id: own(row.id) }))
  return {
    init: (signal) => group.init(signal),
    list: async (signal) => rows(await group.list(signal)),
    async increase(request, signal) {
      const { ids, ...result } = await group.increase(request, signal)
      return { ...result, ...(ids !== undefined && { ids: ids.map(own) }) }
    },
    async decrease(ids, signal) {
      const { accepted, ...result } = await group.decrease(ids.map(whole), signal)
      return { ...result, accepted: accepted.map(own) }
    },
    async connectInfo(id, signal) {
      return { ...(await group.connectInfo(whole(id), signal)), instanceId: id }
    },
    ...(group.connect !== undefined && { connect: (id, signal) => group.connect!(whole(id), signal) }),
    ...(group.describe !== undefined && {
      describe: async (ids, signal) => rows(await group.describe!(ids.map(whole), signal)),
    }),
    ...(group.heartbeat !== undefined && { heartbeat: (id, signal) => group.heartbeat!(whole(id), signal) }),
    ...(group.owners !== undefined && { owners: (signal, ids) => group.owners!(signal, ids?.map(whole)) }),
    ...(group.claim !== undefined && { claim: (owner, signal) => group.claim!(owner, signal) }),
    ...(group.onInterruption !== undefined && {
      onInterruption: (listener) =>
        group.onInterruption!((id, at) => (id.startsWith(prefix) ? listener(own(id), at) : undefined)),
    }),
    shutdown: () => group.shutdown(),
  }
}
