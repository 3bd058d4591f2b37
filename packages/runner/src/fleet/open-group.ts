import type { Clock, HostKeyPins, KeyPair, Logger, Random } from '@runner-core/fleeting'
import {
  type ProvisionerOptions,
  type ProvisionerSettingsInput,
  withCallBudget,
} from '@runner-core/fleeting/provisioner'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import type { FindPlugin } from '../config/checks/check-plugins.ts'
import { type AutoscalerSettings, fleetName, type RunnerSettings } from '../config/settings.ts'
import { findGroupPlugin } from './engine-plugin.ts'

export interface OpenGroupOptions {
  readonly findPlugin: FindPlugin
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** With durable state, see `PluginContext`. */
  readonly stateDir?: string
  readonly fleetKey?: KeyPair
  readonly hostKeyPins?: HostKeyPins
}

/**
 * A runner's instance group by its plugin, and how it is kept: the same whether it is run or only planned. Touches
 * nothing yet. Thrown: `PluginError`, what the plugin throws.
 */
export async function openGroup(
  runner: RunnerSettings,
  { findPlugin, stateDir, fleetKey, hostKeyPins, ...context }: OpenGroupOptions,
): Promise<ProvisionerOptions> {
  const { plugin, pluginConfig, connector, maxInstances, unknownInstances } = runner.autoscaler
  const { createInstanceGroup, file, kind, passedOver } = await findGroupPlugin(runner, findPlugin)
  if (file !== undefined)
    context.logger.info({ plugin, kind, file, ...(passedOver && { passed_over: passedOver }) }, 'plugin found')
  const kept = {
    ...(stateDir !== undefined && { stateDir }),
    ...(fleetKey !== undefined && { fleetKey }),
    ...(hostKeyPins && { hostKeyPins }),
  }
  return {
    group: withCallBudget(
      createInstanceGroup(pluginConfig, { fleet: fleetName(runner), connector, ...kept, ...context }),
      context,
    ),
    unknownInstances,
    connector: createSshConnector({ connector, hostKeyPins, ...context }),
    maxInstances,
    settings: provisionerSettings(runner.autoscaler),
    ...context,
  }
}

function provisionerSettings(autoscaler: AutoscalerSettings): ProvisionerSettingsInput {
  const { failureThreshold, scaleThrottle } = autoscaler
  return {
    updateIntervalMs: autoscaler.updateIntervalMs,
    updateIntervalWhenExpectingMs: autoscaler.updateIntervalWhenExpectingMs,
    deletionRetryIntervalMs: autoscaler.deletionRetryIntervalMs,
    shutdownDeletionIntervalMs: autoscaler.shutdownDeletionIntervalMs,
    launchThrottle: scaleThrottle,
    health: { failureThreshold, window: Math.max(5, failureThreshold) },
  }
}
