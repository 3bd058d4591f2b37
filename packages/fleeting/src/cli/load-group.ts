import { type Clock, systemClock, systemRandom } from '../contract/clock.ts'
import { describeError } from '../contract/describe-error.ts'
import type { InstanceGroup } from '../contract/instance-group.ts'
import { silentLogger } from '../contract/logger.ts'
import { checkGroup } from '../plugins/init-group.ts'
import { loadPlugin } from '../plugins/load-plugin.ts'
import type { GroupConfig } from './group-config.ts'
import { StartError } from './start-error.ts'

export interface LoadedGroup {
  /** Makes a group of the configuration. Thrown: {@link StartError}. */
  readonly make: () => InstanceGroup
  /** It runs in a process of its own, by the clock of that one. */
  readonly isElsewhere: boolean
}

/** Loads a plugin. Thrown: {@link StartError}. */
export async function loadGroup(plugin: string, config: GroupConfig, clock: Clock = systemClock): Promise<LoadedGroup> {
  try {
    const { createInstanceGroup, kind } = await loadPlugin(plugin)
    const context = {
      fleet: 'conformance',
      connector: config.connector,
      logger: silentLogger,
      clock,
      random: systemRandom,
    }
    const make = (): InstanceGroup => {
      try {
        const group = createInstanceGroup(config.pluginConfig, context)
        checkGroup(group)
        return group
      } catch (cause) {
        throw new StartError(describeError(cause), { cause })
      }
    }
    return { make, isElsewhere: kind === 'executable' }
  } catch (cause) {
    throw new StartError(describeError(cause), { cause })
  }
}
