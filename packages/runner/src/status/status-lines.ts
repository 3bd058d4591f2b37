import { breakerText, durationText } from '@runner-core/taskscaler'
import type { FleetStatus, ManagerStatus, RunnerStatus } from './manager-status.ts'

/** A manager's status for people. `isRunning`: whether it is the present, or what a manager that has stopped left. */
export function statusLines(
  status: ManagerStatus,
  { isRunning, wallTime }: { readonly isRunning: boolean; readonly wallTime: number },
): string[] {
  const age = durationText(wallTime - status.at)
  const head = isRunning
    ? `manager ${status.pid}, version ${status.version}, running for ${durationText(wallTime - status.startedAt)}, as of ${age} ago`
    : `no manager runs; the last one (${status.pid}, version ${status.version}) was last seen ${age} ago and left this`
  return [head, ...status.runners.flatMap((runner) => runnerLines(runner, status.at))]
}

function runnerLines({ name, state, problems, warnings, running }: RunnerStatus, at: number): string[] {
  return [
    `${name}: ${state}`,
    ...problems.map((problem) => `  problem: ${problem}`),
    ...warnings.map((warning) => `  warning: ${warning}`),
    ...(running === undefined ? [] : fleetLines(running, at)),
  ]
}

function fleetLines(
  { group, maxInstances, coming, slots, policy, heldBack, breaker, instances, jobs }: FleetStatus,
  at: number,
): string[] {
  const limit = maxInstances === undefined ? 'no limit' : `at most ${maxInstances}`
  const { idle, pending, acquired } = slots
  const launches = breakerText(breaker, at)
  return [
    `  group ${group}: ${instances.length} ${instances.length === 1 ? 'instance' : 'instances'}, ${coming} asked for, ${limit}`,
    `  slots: ${acquired} in use, ${idle} free; ${pending} ${pending === 1 ? 'job waiting' : 'jobs waiting'}`,
    `  policy: idle_count ${policy.idleCount}, idle_time ${policy.idleTimeMs / 1000} s, scale_factor ${policy.scaleFactor}, in force for ${policy.periods.join(' | ')}`,
    ...(launches === undefined ? [] : [`  ${launches}`]),
    ...(heldBack === undefined ? [] : [`  ${heldBack.count} more later: ${heldBack.reason}`]),
    ...instances.map(
      ({ id, state, inUse, useCount, seenAt, why }) =>
        `  ${id}  ${state}  ${inUse} now, ${useCount} so far, for ${durationText(at - seenAt)}: ${why}`,
    ),
    ...jobs.map(({ job, fate, since, instance, why }) => {
      const where = instance === undefined ? '' : ` on ${instance}`
      return `  job ${job}  ${fate}${where} for ${durationText(at - since)}${why === undefined ? '' : `: ${why}`}`
    }),
  ]
}
