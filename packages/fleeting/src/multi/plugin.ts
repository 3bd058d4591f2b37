import { GroupError, isGroupError } from '../contract/errors.ts'
import type { CreateInstanceGroup, InstanceGroup, PluginContext } from '../contract/instance-group.ts'
import { loadPlugin } from '../plugins/load-plugin.ts'
import { withCallBudget } from '../provisioner/calls/with-call-budget.ts'
import { createSshConnector } from '../ssh/ssh-connector.ts'
import { fleetDirectory } from '../state/fleet-directory.ts'
import { type MemberConfig, parseConfig } from './config.ts'
import { MultiGroup } from './multi-group.ts'

/** The members' plugins are loaded, and check their own settings, when the group is initialised. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) => {
  const { groups, ...settings } = parseConfig(config)
  const { clock, random, logger, connector, hostKeyPins } = context
  return new MultiGroup({
    id: `multi/${context.fleet}`,
    ...settings,
    members: groups.map(({ plugin, pluginConfig, ...member }) => ({
      ...member,
      create: () => createMember({ plugin, pluginConfig, ...member }, context),
    })),
    connector: createSshConnector({ connector, clock, random, logger, hostKeyPins }),
    clock,
    random,
    logger,
  })
}

/** Thrown: `PluginError`; `invalid_config` with paths of the whole. */
async function createMember(
  { name, plugin, pluginConfig, connector: own }: MemberConfig,
  context: PluginContext,
): Promise<InstanceGroup> {
  const connector = { ...context.connector, ...own }
  if (own?.hostKeyChecking === 'off')
    context.logger.warn(
      { member: name },
      'SSH host keys are not checked: anyone on the network path can pose as an instance',
    )
  const { createInstanceGroup: create, file, kind, passedOver } = await loadPlugin(plugin)
  context.logger.info(
    { member: name, plugin, kind, file, ...(passedOver && { passed_over: passedOver }) },
    'plugin found',
  )
  try {
    // A fleet of its own for each, and a directory: what a plugin marks its machines with, or writes down, must not be
    // shared by two groups.
    const stateDir = context.stateDir === undefined ? {} : { stateDir: fleetDirectory(context.stateDir, name) }
    const group = create(pluginConfig, { ...context, ...stateDir, connector, fleet: `${context.fleet}-${name}` })
    return withCallBudget(group, context)
  } catch (error) {
    if (!isGroupError(error)) throw error
    const message = error.message.replaceAll(/^plugin_config/gm, `plugin_config.groups.${name}.plugin_config`)
    throw new GroupError(error.code, message, { cause: error })
  }
}
