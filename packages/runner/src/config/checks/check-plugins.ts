import {
  type ConnectorConfig,
  type CreateInstanceGroup,
  describeError,
  type PluginContext,
  silentLogger,
  systemClock,
} from '@runner-core/fleeting'
import type { LoadedPlugin } from '@runner-core/fleeting/plugins'
import { type NamedGroup, namedGroups } from '../named-groups.ts'
import type { Problem } from '../problem.ts'
import type { ReadRunner } from '../read-runner.ts'

/**
 * Finds a plugin; rejects with a message for people when there is none. What `loadPlugin` tells besides is logged when
 * the plugin is used.
 */
export type FindPlugin = (
  reference: string,
) => Promise<Pick<LoadedPlugin, 'createInstanceGroup'> & Partial<Pick<LoadedPlugin, 'file' | 'kind' | 'passedOver'>>>

/**
 * Loads every runner's plugin, those of groups in groups too, and lets each check its own settings. Nothing is started,
 * and no machine is looked for.
 */
export async function checkPlugins(runners: readonly ReadRunner[], find: FindPlugin): Promise<readonly Problem[]> {
  const problems = await Promise.all(
    runners.flatMap(({ name, executor, autoscaler = {} }, index) =>
      (executor === 'docker' ? [] : namedGroups(autoscaler)).map((group) =>
        checkGroup(group, `runners[${index}].autoscaler.${group.path}`, autoscaler.fleet ?? name ?? '', find),
      ),
    ),
  )
  return problems.flat()
}

async function checkGroup(
  { plugin, pluginConfig = {}, connector = {}, suffix }: NamedGroup,
  path: string,
  fleet: string,
  find: FindPlugin,
): Promise<readonly Problem[]> {
  if (plugin === undefined) return []
  const found = await find(plugin).catch((error: Error) => error)
  if (found instanceof Error)
    return [{ path: `${path}plugin`, message: `expected a plugin that can be loaded, got ${describeError(found)}` }]
  return settingsProblems(found.createInstanceGroup, pluginConfig, connector, `${fleet}${suffix}`).map((message) =>
    problemAt(path, message),
  )
}

function settingsProblems(
  create: CreateInstanceGroup,
  config: unknown,
  connector: ConnectorConfig,
  fleet: string,
): readonly string[] {
  const context: PluginContext = { fleet, connector, logger: silentLogger, clock: systemClock, random: Math.random }
  try {
    create(config, context)
    return []
  } catch (error) {
    return describeError(error).split('\n')
  }
}

/** Plugins name their keys from `plugin_config` on: `plugin_config.zone: expected …`. */
function problemAt(base: string, message: string): Problem {
  const match = /^(plugin_config[^:\s]*): (.*)$/s.exec(message)
  return match ? { path: `${base}${match[1]}`, message: match[2] as string } : { path: `${base}plugin_config`, message }
}
