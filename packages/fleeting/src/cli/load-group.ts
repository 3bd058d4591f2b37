import { type Clock, systemClock, systemRandom } from '../clock.ts'
import { describeError } from '../describe-error.ts'
import { checkGroup } from '../init-group.ts'
import type { InstanceGroup } from '../instance-group.ts'
import { loadPlugin } from '../load-plugin.ts'
import { silentLogger } from '../logger.ts'
import type { GroupConfig } from './group-config.ts'
import { StartError } from './start-error.ts'

/** Loads a plugin; what is returned makes groups of this configuration. Thrown, by it too: {@link StartError}. */
export async function loadGroup(plugin: string, config: GroupConfig, clock: Clock = systemClock): Promise<() => InstanceGroup> {
  try {
    const { createInstanceGroup } = await loadPlugin(plugin)
    const context = { fleet: 'conformance', connector: config.connector, logger: silentLogger, clock, random: systemRandom }
    return () => {
      try {
        const group = createInstanceGroup(config.pluginConfig, context)
        checkGroup(group)
        return group
      } catch (cause) {
        throw new StartError(describeError(cause), { cause })
      }
    }
  } catch (cause) {
    throw new StartError(describeError(cause), { cause })
  }
}
