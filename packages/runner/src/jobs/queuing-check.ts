import type { JobInfo } from '@runner-core/job'
import { compilePeriod } from '@runner-core/taskscaler'
import type { JobQueuingDuration } from '../config/settings.ts'

/** Answers whether a job was queued for longer than is acceptable at `wallTime`. */
export type QueuingCheck = (
  job: Pick<JobInfo, 'time_in_queue_seconds' | 'project_jobs_running_on_instance_runners_count'>,
  wallTime: number,
) => boolean

/**
 * As GitLab Runner decides it: of the entries in force the last one counts, with none in force everything is
 * acceptable, and so is what an entry's `jobs_running_for_project` does not match: a project that has many jobs running
 * already may wait.
 */
export function createQueuingCheck(durations: readonly JobQueuingDuration[]): QueuingCheck {
  const rules = durations.map((rule) => ({
    ...rule,
    periods: rule.periods.map((period) => compilePeriod(period, rule.timezone)),
  }))
  return (
    { time_in_queue_seconds: queuedSeconds, project_jobs_running_on_instance_runners_count: running },
    wallTime,
  ) => {
    const rule = rules.findLast(({ periods }) => periods.some((period) => period.has(wallTime)))
    if (rule === undefined || rule.thresholdMs === 0 || queuedSeconds * 1000 <= rule.thresholdMs) return false
    return rule.jobsRunningForProject?.test(running) ?? true
  }
}
