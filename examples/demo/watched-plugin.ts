import type { CreateInstanceGroup, InstanceGroup } from '@runner-core/fleeting'

/** A plugin whose instance group can be looked at from outside, past the runner that uses it. */
export interface WatchedPlugin {
  readonly createInstanceGroup: CreateInstanceGroup
  /** Ids of the instances that the group lists now, in whatever state; undefined when it cannot tell. */
  instances(signal: AbortSignal): Promise<readonly string[] | undefined>
}

export function watchPlugin(createInstanceGroup: CreateInstanceGroup): WatchedPlugin {
  let group: InstanceGroup | undefined
  return {
    createInstanceGroup: (config, context) => {
      group = createInstanceGroup(config, context)
      return group
    },
    instances: (signal) =>
      Promise.resolve(group?.list(signal)).then(
        (rows) => rows?.filter(({ state }) => state !== 'deleted').map(({ id }) => id),
        () => undefined,
      ),
  }
}
