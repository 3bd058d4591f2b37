import { type Clock, type GroupInfo, type GroupOwner, type Random, silentLogger } from '@runner-core/fleeting'
import { type Instance, type InstanceLimit, Provisioner } from '@runner-core/fleeting/provisioner'
import { firstPlan, type ResolvedPolicy, type ScalingPlan } from '@runner-core/taskscaler'
import type { FindPlugin } from '../config/checks/check-plugins.ts'
import { fleetName, type RunnerSettings, type Settings } from '../config/settings.ts'
import { pluginDirectory } from '../state/open-fleet-state.ts'
import { GroupClaims } from './group-claims.ts'
import { idlePolicies } from './idle-policies.ts'
import { openGroup } from './open-group.ts'

/** What would be done about a runner's instances now. */
export interface FleetPlan extends InstanceLimit {
  readonly runner: string
  readonly fleet: string
  readonly group: GroupInfo
  /** Who has the group now; absent where the group holds no owner. */
  readonly owners?: readonly GroupOwner[]
  /** The idle policy in force. */
  readonly policy: ResolvedPolicy
  readonly instances: readonly Instance[]
  readonly plan: ScalingPlan
}

export interface FleetPlanOptions {
  /**
   * Where the configuration keeps state: a plugin may find its instances there. Nothing in it is changed, and whoever
   * has the fleet keeps it.
   */
  readonly settings: Pick<Settings, 'stateDir'>
  readonly findPlugin: FindPlugin
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/**
 * Plans for each runner, in their order: what `readFleetPlan` throws, and the `GroupTakenError` of a runner whose group
 * an earlier one has, stand in its place.
 */
export async function readFleetPlans(
  runners: readonly RunnerSettings[],
  options: FleetPlanOptions,
): Promise<readonly PromiseSettledResult<FleetPlan>[]> {
  const results = await Promise.allSettled(runners.map((runner) => readFleetPlan(runner, options)))
  const claims = new GroupClaims()
  return results.map((result) => {
    if (result.status === 'rejected') return result
    try {
      claims.claim(result.value.group.id, result.value.runner)
      return result
    } catch (reason) {
      return { status: 'rejected', reason }
    }
  })
}

/**
 * Reads the group as a manager does that starts now, and decides as it would once the instances that run have proven
 * ready, with no job known: what the provisioner removes by itself and what the scaling plans. Changes nothing. Thrown:
 * `PluginError`, `GroupError`.
 */
export async function readFleetPlan(
  runner: RunnerSettings,
  { settings, signal, ...context }: FleetPlanOptions,
): Promise<FleetPlan> {
  const { clock } = context
  const stateDir = pluginDirectory(settings, runner)
  const opened = await openGroup(runner, {
    ...context,
    logger: silentLogger,
    ...(stateDir !== undefined && { stateDir }),
  })
  const survey = await Provisioner.survey(opened, signal)
  const { capacityPerInstance, maxUseCount, policies } = runner.autoscaler
  const { policy, plan } = firstPlan(survey, {
    capacityPerInstance,
    maxUseCount,
    policies: idlePolicies(policies),
    clock,
  })
  const instances = [...survey.instances.values()]
  const broken = instances.flatMap(({ id, removal }) => (removal === undefined ? [] : [{ id, reason: removal.reason }]))
  const { maxInstances, maximumOf } = survey.launches
  return {
    runner: runner.name,
    fleet: fleetName(runner),
    group: survey.info,
    ...(survey.owners !== undefined && { owners: survey.owners }),
    maxInstances,
    maximumOf,
    policy,
    instances,
    plan: { ...plan, remove: [...broken, ...plan.remove] },
  }
}
