import type { JobQueuingDuration, MonitoringSettings } from '../settings.ts'
import { cronPeriodOrSeven, duration, pattern, timeZone } from './kinds.ts'
import { byDefault, list, optional, required, type TableSchema, table } from './schema.ts'

const jobQueuingDurationTable: TableSchema<JobQueuingDuration> = {
  fields: {
    periods: required(
      'periods',
      list(cronPeriodOrSeven, { min: 1 }),
      'Cron expressions, read as ranges of time: the entry is in force while one of them matches the current minute. If several entries are in force, the last one counts. If none is, no job is counted.',
    ),
    timezone: optional('timezone', timeZone, "Time zone of `periods`. Default: the system's."),
    thresholdMs: byDefault('threshold', '0s', duration, 'How long a job may be queued. 0: no limit.'),
    jobsRunningForProject: optional(
      'jobs_running_for_project',
      pattern,
      'Counts only jobs whose project runs as many jobs on instance runners as this expression matches, by GitLab\'s count: `"^(0|1|2|3|4)$"`. GitLab reports a large number as `+Inf`. Default: all jobs.',
    ),
  },
}

export const monitoringTable: TableSchema<MonitoringSettings> = {
  fields: {
    jobQueuingDurations: byDefault(
      'job_queuing_durations',
      [],
      list(table(jobQueuingDurationTable)),
      'Which jobs `gitlab_runner_acceptable_job_queuing_duration_exceeded_total` counts.',
    ),
  },
}
