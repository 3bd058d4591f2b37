import type { JobStage } from '@runner-core/job'
import { Counter, Histogram, type Registry } from 'prom-client'
import type { JobCounts } from '../jobs/job-counts.ts'
import type { JobObserver } from '../jobs/job-observer.ts'
import type { JobPoller } from '../jobs/job-poller.ts'
import type { JobPhase, JobProgress } from '../jobs/job-progress.ts'
import { type PulledMetric, pullMetric, type Sample } from './pulled-metric.ts'
import { type RunnerLabels, runnerLabelNames } from './runner-labels.ts'

/** One runner, as the metrics read it. */
export interface MeasuredRunner {
  readonly labels: RunnerLabels
  /** `Infinity`: no bound. */
  readonly limit: number
  readonly requestConcurrency: number
  /** Absent, as the jobs are, until its fleet has started. */
  readonly poller?: Pick<JobPoller<unknown>, 'counters' | 'pace' | 'requestCount'>
  readonly jobs?: JobCounts
  /**
   * Ends of jobs that GitLab has not taken yet, and how long the oldest waits. Absent until the runner's state is open.
   */
  readonly ends?: { readonly count: number; readonly oldestMs: number }
}

const pulled: readonly PulledMetric<MeasuredRunner>[] = [
  {
    kind: 'gauge',
    name: 'gitlab_runner_jobs',
    help: 'Jobs by state and stage; always 0 for `idle`.',
    labels: ['state', 'stage', 'executor_stage'],
    read: ({ jobs }) => [idle, ...(jobs?.active.map(sampleOf) ?? [])],
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_limit',
    help: 'Maximum number of jobs that a runner runs at once; 0: no limit.',
    read: ({ limit }) => (Number.isFinite(limit) ? limit : 0),
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_request_concurrency',
    help: 'Pending requests for a job.',
    read: ({ poller }) => poller?.requestCount,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_request_concurrency_hard_limit',
    help: 'Configured request_concurrency.',
    read: ({ requestConcurrency }) => requestConcurrency,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_request_concurrency_adaptive_limit',
    help: 'Maximum number of pending requests for a job right now.',
    read: ({ poller }) => poller?.pace.limit,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_request_concurrency_used_limit',
    help: 'The limit in force, the same as the adaptive limit.',
    read: ({ poller }) => poller?.pace.limit,
  },
  {
    kind: 'counter',
    name: 'gitlab_runner_request_concurrency_exceeded_total',
    help: 'Times that a request waited because request_concurrency was reached.',
    read: ({ poller }) => poller?.counters.atRequestConcurrency,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_job_queue_size',
    help: "Jobs in the runner's queue when GitLab last handed one out.",
    read: ({ jobs }) => jobs?.queueSize,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_job_queue_depth',
    help: 'How many jobs of that queue GitLab looked at before it found one for this runner.',
    read: ({ jobs }) => jobs?.queueDepth,
  },
  {
    kind: 'counter',
    name: 'gitlab_runner_worker_processing_failures_total',
    help: 'Why no job was run: no capacity for one, no usable answer from GitLab, or the job itself failed.',
    labels: ['failure_type'],
    read: ({ poller, jobs }) =>
      poller &&
      jobs && {
        no_free_executor: poller.counters.withoutCapacity,
        other: poller.counters.requestFailures,
        job_failure: jobs.failed,
      },
  },
  {
    kind: 'counter',
    name: 'gitlab_runner_worker_feeds_total',
    help: 'Requests for a job.',
    read: ({ poller }) => poller?.counters.requests,
  },
  {
    kind: 'counter',
    name: 'gitlab_runner_worker_feed_failures_total',
    help: 'Requests for a job that got no usable answer.',
    read: ({ poller }) => poller?.counters.requestFailures,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_untold_job_ends',
    help: 'Finished jobs whose end GitLab has not accepted yet.',
    read: ({ ends }) => ends?.count,
  },
  {
    kind: 'gauge',
    name: 'gitlab_runner_oldest_untold_job_end_seconds',
    help: 'How long the oldest unreported end of a job has been waiting; 0 when none is.',
    read: ({ ends }) => ends && ends.oldestMs / 1000,
  },
]

/** So that the metric is there without jobs, too; as in GitLab Runner. */
const idle: Sample = { labels: { state: 'idle', stage: 'idle', executor_stage: 'idle' }, value: 0 }

/**
 * GitLab Runner's executor is `created` while it waits for its slot, and in `prepare` from then on until the job has
 * ended.
 */
const executorStages: Readonly<Record<JobPhase, string>> = {
  pending: 'created',
  running: 'prepare',
  finished: 'finish',
}

/**
 * Each value of a label is a series for good, and steps have names of GitLab's choice: a few of its own, and one for
 * all others.
 */
const knownStages: ReadonlySet<string> = new Set<JobStage>([
  'prepare_executor',
  'prepare_script',
  'get_sources',
  'restore_cache',
  'download_artifacts',
  'step_script',
  'step_release',
  'after_script',
  'archive_cache',
  'archive_cache_on_failure',
  'upload_artifacts_on_success',
  'upload_artifacts_on_failure',
  'cleanup_file_variables',
])

function stageLabel(stage: JobStage): string {
  return knownStages.has(stage) ? stage : 'step_other'
}

function sampleOf({ phase, stage }: Pick<JobProgress, 'phase' | 'stage'>): Sample {
  return { labels: { state: phase, stage: stageLabel(stage), executor_stage: executorStages[phase] }, value: 1 }
}

const spanSeconds = [1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600]
const jobSeconds = [1, 5, 30, 60, 300, 600, 1800, 3600, 7200, 10_800, 18_000, 36_000]

/** The runners' metrics, under GitLab Runner's names. Answers what observes the jobs of one runner. */
export function registerRunnerMetrics(
  registry: Registry,
  runners: () => Iterable<MeasuredRunner>,
): (labels: RunnerLabels) => JobObserver {
  for (const metric of pulled) pullMetric(registry, runnerLabelNames, runners, metric)
  const counter = (name: string, help: string, ...more: string[]): Counter =>
    new Counter({ name, help, registers: [registry], labelNames: [...runnerLabelNames, ...more] })
  const histogram = (name: string, help: string, buckets: number[], ...more: string[]): Histogram =>
    new Histogram({ name, help, registers: [registry], labelNames: [...runnerLabelNames, ...more], buckets })

  const jobs = counter('gitlab_runner_jobs_total', 'Jobs received.')
  const failed = counter('gitlab_runner_failed_jobs_total', 'Jobs that failed.', 'failure_reason')
  const durations = histogram('gitlab_runner_job_duration_seconds', 'Time from receiving a job to its end.', jobSeconds)
  const queued = histogram(
    'gitlab_runner_job_queue_duration_seconds',
    'How long jobs were queued before the runner received them.',
    spanSeconds,
  )
  const stages = histogram(
    'gitlab_runner_job_stage_duration_seconds',
    'Duration of the stages of jobs; `step_other`: steps other than the script and the release.',
    spanSeconds,
    'stage',
  )
  const late = counter(
    'gitlab_runner_acceptable_job_queuing_duration_exceeded_total',
    'Jobs that were queued for longer than `job_queuing_durations` allows.',
  )
  return (labels) => ({
    started(queuedSeconds, isLate) {
      jobs.inc({ ...labels })
      queued.observe({ ...labels }, queuedSeconds)
      late.inc({ ...labels }, isLate ? 1 : 0)
    },
    stageEnded: (stage, durationMs) => stages.observe({ ...labels, stage: stageLabel(stage) }, durationMs / 1000),
    ended(durationMs, failureReason) {
      durations.observe({ ...labels }, durationMs / 1000)
      if (failureReason !== undefined) failed.inc({ ...labels, failure_reason: failureReason })
    },
  })
}
