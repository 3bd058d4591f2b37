import { describeError, describeOwners, systemClock } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import type { InstanceLimit } from '@runner-core/fleeting/provisioner'
import { loadRunnable } from '../config/load-config.ts'
import { describeProblem } from '../config/problem.ts'
import { type FleetPlan, readFleetPlans } from '../fleet/fleet-plan.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/** How long the group may take to answer. */
const timeoutMs = 60_000

/**
 * `runner-core plan`. A runner whose group cannot be read, or that could not start with it, is an error; the others are
 * planned all the same. Thrown: `ConfigError`.
 */
export async function plan(
  file: string,
  { json, allowIgnored }: { readonly json: boolean; readonly allowIgnored: readonly string[] },
  output: Output,
): Promise<number> {
  const { settings, refused } = await loadRunnable(file, { allowIgnored })
  const options = {
    settings,
    findPlugin: loadPlugin,
    clock: systemClock,
    random: Math.random,
    signal: AbortSignal.timeout(timeoutMs),
  }
  const results = await readFleetPlans(settings.runners, options)
  const plans = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  if (json) output.out(JSON.stringify(plans, finiteNumbers, 2))
  else for (const each of plans) for (const line of planLines(each)) output.out(line)
  results.forEach((result, index) => {
    if (result.status === 'rejected')
      output.err(`error: runner ${settings.runners[index]?.name}: ${describeError(result.reason)}`)
  })
  for (const problem of refused.flatMap(({ problems }) => problems))
    output.err(`error: ${describeProblem(problem, file)}`)
  return plans.length === results.length && refused.length === 0 ? exitCode.ok : exitCode.failed
}

function planLines({
  runner,
  group,
  owners,
  policy,
  instances,
  plan: { increase, drain, remove, heldBack },
  ...limit
}: FleetPlan): readonly string[] {
  const states = [...new Set(instances.map(({ state }) => state))]
  const counts = states.map((state) => `${instances.filter((each) => each.state === state).length} ${state}`)
  const decisions = [
    ...increase.map(
      ({ count, placement, reason }) =>
        `increase by ${count}${placement === undefined ? '' : ` in ${placement}`}: ${reason}`,
    ),
    ...(heldBack === undefined ? [] : [`${heldBack.count} more later: ${heldBack.reason}`]),
    ...drain.map(({ id, reason }) => `drain ${id}: ${reason}`),
    ...remove.map(({ id, reason }) => `remove ${id}: ${reason}`),
  ]
  return [
    `${runner}: group ${group.id}, ${limitText(limit)}`,
    ...(owners === undefined ? [] : [`  owner: ${describeOwners(owners)}`]),
    `  instances: ${counts.length === 0 ? 'none' : counts.join(', ')}`,
    `  policy: idle_count ${policy.idleCount}, idle_time ${policy.idleTimeMs / 1000} s, scale_factor ${policy.scaleFactor}, in force for ${policy.periods.join(' | ')}`,
    ...(group.findings ?? []).map(({ severity, code, message, fix }) => `  ${severity} ${code}: ${message}; ${fix}`),
    ...(decisions.length === 0 ? ['nothing to do'] : decisions).map((line) => `  ${line}`),
  ]
}

function limitText({ maxInstances, maximumOf }: InstanceLimit): string {
  if (!Number.isFinite(maxInstances)) return 'no limit on instances'
  return `at most ${maxInstances} instances${maximumOf === 'group' ? ", the group's own maximum" : ''}`
}

/** JSON has no Infinity; what is unbounded is null. */
function finiteNumbers(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? null : value
}
