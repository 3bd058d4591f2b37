import type { InstanceGroup } from '@runner-core/fleeting'
import { Provisioner, type ProvisionerOptions } from '@runner-core/fleeting/provisioner'
import { SlotClaims } from '@runner-core/runner-instance-executor'
import { QueueDepth, Taskscaler, type TaskscalerOptions, usageRecords } from '@runner-core/taskscaler'
import type { RunnerSettings } from '../config/settings.ts'
import type { FleetObservers } from '../metrics/fleet-metrics.ts'
import type { FleetState } from '../state/open-fleet-state.ts'
import { idlePolicies } from './idle-policies.ts'
import { type OpenGroupOptions, openGroup } from './open-group.ts'
import { ownerOf } from './owner-identity.ts'
import { proofOfReadiness } from './proof-of-readiness.ts'
import { warmImages } from './warm-images.ts'

export interface FleetOptions extends OpenGroupOptions {
  readonly runner: RunnerSettings
  readonly observers: FleetObservers
  /** How many more jobs may run now by the bounds of the configuration: more are no reason for a machine. */
  readonly freePlaces: () => number
  /** Takes the identity of the instance group; throws when another runner has it already. */
  readonly claimGroup: (groupId: string) => void
  /** Tells this installation from others, the same after a restart. Absent: without state the group is not claimed. */
  readonly systemId?: string | undefined
  /**
   * Tells this manager apart from others of the runner, the same after a restart: what an earlier one left on an
   * instance is ended before its first job. Absent: nothing is looked for.
   */
  readonly manager?: string | undefined
  /** Absent: nothing outlives the process. Stays open when the fleet does not start. */
  readonly state?: FleetState | undefined
  /** How the two are made. Default: by their own `start`. */
  readonly makeProvisioner?: ((options: ProvisionerOptions, signal: AbortSignal) => Promise<Provisioner>) | undefined
  readonly makeScaler?: ((options: TaskscalerOptions, signal: AbortSignal) => Promise<Taskscaler>) | undefined
}

/** The instances of one runner. */
export interface Fleet {
  readonly group: InstanceGroup
  readonly provisioner: Provisioner
  readonly scaler: Taskscaler
  /** What GitLab last said of jobs that wait for this runner. */
  readonly queue: QueueDepth
  /** For the executor. */
  readonly claims: SlotClaims | undefined
  /** Whoever opened it closes it, after the scaler was shut down. */
  readonly state: FleetState | undefined
}

/**
 * Loads the plugin and takes its group over. Thrown: `PluginError`, `GroupError`, `GroupOwnedError`, and what
 * `claimGroup` throws; nothing is left running then.
 */
export async function startFleet(options: FleetOptions, signal: AbortSignal): Promise<Fleet> {
  const { runner, findPlugin, observers, claimGroup, freePlaces, manager, state, systemId, clock, random, logger } =
    options
  const {
    makeProvisioner = (...given) => Provisioner.start(...given),
    makeScaler = (...given) => Taskscaler.start(...given),
  } = options
  const { autoscaler } = runner
  const kept = state && {
    stateDir: state.pluginDir,
    fleetKey: state.fleetKey,
    ...(state.hostKeys && { hostKeyPins: state.hostKeys }),
  }
  const opened = await openGroup(runner, { findPlugin, clock, random, logger, ...kept })
  const provisioner = await makeProvisioner(
    {
      ...opened,
      owner: ownerOf(runner, systemId),
      ...(state && { lease: state.lease, usage: usageRecords }),
      observer: observers.provisioner,
    },
    signal,
  )
  try {
    const { id, version } = provisioner.info
    claimGroup(id)
    logger.info(
      { group: id, plugin: autoscaler.plugin, version, max_instances: provisioner.maxInstances },
      'plugin initialized',
    )
    const queue = new QueueDepth({ name: 'GitLab', clock })
    const claims =
      manager === undefined
        ? undefined
        : new SlotClaims({ identity: runner.token, manager, isExclusive: state !== undefined })
    let onStarted!: (scaler: Taskscaler) => void
    const started = new Promise<Taskscaler>((resolve) => (onStarted = resolve))
    const scaler = await makeScaler(
      {
        provisioner,
        onDispose: autoscaler.deleteInstancesOnShutdown ? 'remove-instances' : 'keep-instances',
        capacityPerInstance: autoscaler.capacityPerInstance,
        maxUseCount: autoscaler.maxUseCount,
        policies: idlePolicies(autoscaler.policies),
        warmUp: await warmImages({ runner, clock, random, logger }),
        readyCheck: proofOfReadiness({ runner, claims, scaler: started, clock, logger }),
        demand: [
          {
            name: queue.name,
            depth: () => Math.min(queue.depth(), freePlaces()),
            onChange: (wake) => queue.onChange(wake),
          },
        ],
        observer: observers.taskscaler,
        clock,
        logger,
      },
      signal,
    )
    onStarted(scaler)
    return { group: opened.group, provisioner, scaler, queue, claims, state }
  } catch (error) {
    await provisioner.shutdown({ removeInstances: false })
    throw error
  }
}
