import { type Clock, createSshConnector, type Logger, Provisioner, type ProvisionerSettingsInput, type Random } from '@runner-core/fleeting'
import { QueueDepth, Taskscaler } from '@runner-core/taskscaler'
import type { FindPlugin } from '../config/check-plugins.ts'
import { type AutoscalerSettings, fleetName, type RunnerSettings } from '../config/settings.ts'
import type { FleetObservers } from '../metrics/fleet-metrics.ts'
import { readyCommand } from './ready-command.ts'

export interface FleetOptions {
  readonly runner: RunnerSettings
  readonly findPlugin: FindPlugin
  readonly observers: FleetObservers
  /** How many more jobs may run now by the bounds of the configuration: more are no reason for a machine. */
  readonly freePlaces: () => number
  /** Takes the identity of the instance group; throws when another runner has it already. */
  readonly claimGroup: (groupId: string) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The instances of one runner. */
export interface Fleet {
  readonly provisioner: Provisioner
  readonly scaler: Taskscaler
  /** What GitLab last said of jobs that wait for this runner. */
  readonly queue: QueueDepth
}

/** Loads the plugin and takes its group over. Thrown: `PluginError`, `GroupError`, and what `claimGroup` throws; nothing is left running then. */
export async function startFleet(options: FleetOptions, signal: AbortSignal): Promise<Fleet> {
  const { runner, findPlugin, observers, claimGroup, freePlaces, clock, random, logger } = options
  const { autoscaler } = runner
  const { connector } = autoscaler
  const { createInstanceGroup } = await findPlugin(autoscaler.plugin)
  const group = createInstanceGroup(autoscaler.pluginConfig, { fleet: fleetName(runner), connector, logger, clock, random })
  const provisioner = await Provisioner.start(
    {
      group,
      connector: createSshConnector({ connector, clock, random, logger }),
      maxInstances: autoscaler.maxInstances,
      settings: provisionerSettings(autoscaler),
      observer: observers.provisioner,
      clock,
      random,
      logger,
    },
    signal,
  )
  try {
    const { id, version, findings = [] } = provisioner.info
    claimGroup(id)
    logger.info({ group: id, plugin: autoscaler.plugin, version, max_instances: provisioner.maxInstances }, 'plugin initialized')
    for (const { code, severity, message, fix } of findings)
      logger.warn({ group: id, code, severity, problem: message, fix }, 'group needs attention')
    const queue = new QueueDepth({ name: 'GitLab', clock })
    const scaler = await Taskscaler.start(
      {
        provisioner,
        capacityPerInstance: autoscaler.capacityPerInstance,
        maxUseCount: autoscaler.maxUseCount,
        policies: autoscaler.policies,
        ...(autoscaler.instanceReadyCommand !== undefined && { readyCheck: readyCommand(autoscaler.instanceReadyCommand) }),
        demand: [{ name: queue.name, depth: () => Math.min(queue.depth(), freePlaces()), onChange: (wake) => queue.onChange(wake) }],
        observer: observers.taskscaler,
        clock,
        logger,
      },
      signal,
    )
    return { provisioner, scaler, queue }
  } catch (error) {
    await provisioner.shutdown({ removeInstances: false })
    throw error
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
