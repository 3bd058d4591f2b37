import type { JobQueuingDuration, MonitoringSettings } from '../settings.ts'
import { cronPeriodOrSeven, duration, pattern, timeZone } from './kinds.ts'
import { byDefault, list, optional, required, type TableSchema, table } from './schema.ts'

const jobQueuingDurationTable: TableSchema<JobQueuingDuration> = {
  notYet: [],
  fields: {
    periods: required(
      'periods',
      list(cronPeriodOrSeven, { min: 1 }),
      'Cron expressions, read as ranges of time: the entry is in force while the current minute matches one. Of several entries in force the last one counts; with none in force no job is counted.',
    ),
    timezone: optional('timezone', timeZone, "Zone that `periods` are read in. Default: the system's."),
    thresholdMs: byDefault('threshold', '0s', duration, 'How long a job may be queued. 0: for ever.'),
    jobsRunningForProject: optional(
      'jobs_running_for_project',
      pattern,
      'Only jobs count for which this matches the number of jobs that GitLab says their project has running on instance runners: `"^(0|1|2|3|4)$"`; many are `+Inf`. Default: all.',
    ),
  },
}

export const monitoringTable: TableSchema<MonitoringSettings> = {
  notYet: [],
  fields: {
    jobQueuingDurations: byDefault(
      'job_queuing_durations',
      [],
      list(table(jobQueuingDurationTable)),
      'Which jobs `gitlab_runner_acceptable_job_queuing_duration_exceeded_total` counts.',
    ),
  },
}
