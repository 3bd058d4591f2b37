import { type Clock, checkGroup, type GroupInfo, initGroup, type ListedInstance, type Random, silentLogger } from '@runner-core/fleeting'
import { activePolicy, compileSchedule, type IdlePolicy, plan, type ScalingPlan, type ScalingSnapshot } from '@runner-core/taskscaler'
import type { FindPlugin } from '../config/check-plugins.ts'
import { type AutoscalerSettings, fleetName, type RunnerSettings } from '../config/settings.ts'

/** What would be done about a runner's instances now. */
export interface FleetPlan {
  readonly runner: string
  readonly fleet: string
  readonly group: GroupInfo
  readonly maxInstances: number
  /** The idle policy in force. */
  readonly policy: IdlePolicy
  readonly instances: readonly ListedInstance[]
  readonly plan: ScalingPlan
}

export interface FleetPlanOptions {
  readonly findPlugin: FindPlugin
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/**
 * Reads the group and plans as a manager that starts now would, with no job known: it adopts what exists, and counts what runs as ready and just become idle.
 * Changes nothing. Thrown: `PluginError`, `GroupError`.
 */
export async function readFleetPlan(runner: RunnerSettings, { findPlugin, clock, random, signal }: FleetPlanOptions): Promise<FleetPlan> {
  const { autoscaler } = runner
  const { createInstanceGroup } = await findPlugin(autoscaler.plugin)
  const fleet = fleetName(runner)
  const group = createInstanceGroup(autoscaler.pluginConfig, {
    fleet,
    connector: autoscaler.connector,
    logger: silentLogger,
    clock,
    random,
  })
  checkGroup(group)
  try {
    const info = await initGroup(group, signal)
    const instances = (await group.list(signal)).filter(({ state }) => state !== 'deleted')
    const maxInstances = autoscaler.maxInstances === 0 ? info.maxSize : Math.min(autoscaler.maxInstances, info.maxSize)
    const policy = activePolicy(compileSchedule(autoscaler.policies), clock.wallTime())
    const snapshot = snapshotOf(autoscaler, info, instances, maxInstances, clock.now())
    return { runner: runner.name, fleet, group: info, maxInstances, policy, instances, plan: plan(snapshot, policy, clock.now()) }
  } finally {
    await group.shutdown()
  }
}

function snapshotOf(
  { capacityPerInstance, maxUseCount, scaleThrottle }: AutoscalerSettings,
  info: GroupInfo,
  instances: readonly ListedInstance[],
  maxInstances: number,
  now: number,
): ScalingSnapshot {
  const ready = instances.filter(({ state }) => state === 'running')
  const coming = instances.filter(({ state }) => state === 'creating' || state === 'resuming')
  const broken = instances.filter(({ state }) => state === 'failed')
  const slots = maxUseCount === 0 ? capacityPerInstance : Math.min(capacityPerInstance, maxUseCount)
  const burst = scaleThrottle.burst ?? (Number.isFinite(maxInstances) ? maxInstances : scaleThrottle.perSecond)
  return {
    capacityPerInstance,
    maxUseCount,
    demand: { acquired: 0, waiting: 0, reserved: 0, queued: [] },
    supply: {
      available: ready.length * slots,
      pending: coming.length,
      idle: ready.map(({ id }) => ({ id, idleSince: now, slots })),
      condemned: broken.map(({ id, detail }) => ({ id, inUse: 0, reason: `it failed${detail === undefined ? '' : `: ${detail}`}` })),
    },
    placements: info.placements ?? [],
    launches: {
      now,
      maxInstances,
      known: instances.length,
      outstanding: [],
      backoffs: [],
      breaker: { state: 'closed' },
      throttle: { tokens: burst, perSecond: scaleThrottle.perSecond, burst },
      closed: false,
    },
  }
}
