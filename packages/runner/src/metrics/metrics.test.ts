import { expect, test } from 'vitest'
import { Concurrency } from '../jobs/concurrency.ts'
import { firstPace } from '../jobs/poll-pace.ts'
import { fleetBuckets } from './fleet-buckets.ts'
import type { MeasuredFleet } from './fleet-metrics.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { MeasuredRunner } from './runner-metrics.ts'

const labels = { runner: 'abcdefghi', runner_name: 'one', system_id: 's_0' }
const requests = { requests: 9, requestFailures: 2, withoutCapacity: 4, atRequestConcurrency: 1 }
const counts = {
  requested: 1,
  pending: 2,
  creating: 0,
  running: 3,
  suspending: 0,
  suspended: 0,
  resuming: 0,
  deleting: 0,
  failed: 0,
  unknown: 0,
}
const tasks = { idle: 5, pending: 1, acquired: 2, reserved: 3, unavailable: 0, unhealthy: 0 }

function metrics(): Metrics {
  const runner = (more: Partial<MeasuredRunner> = {}): MeasuredRunner => ({
    labels,
    limit: Number.POSITIVE_INFINITY,
    requestConcurrency: 8,
    ...more,
  })
  const started = runner({
    limit: 7,
    poller: { counters: requests, pace: { ...firstPace, limit: 3 }, requestCount: 2 },
    jobs: {
      active: [
        { phase: 'pending', stage: 'prepare_executor' },
        { phase: 'running', stage: 'step_script' },
        { phase: 'running', stage: 'step_script' },
        { phase: 'finished', stage: 'after_script' },
      ],
      failed: 6,
      queueSize: 12,
      queueDepth: 3,
    },
  })
  const fleet = {
    labels,
    provisioner: { counts: () => counts, maxInstances: 10, missingCount: 2 },
    scaler: {
      counters: { tasks: { reserve: 20 }, scale: { up: 4, down: 1 } },
      status: () => ({ tasks, desiredInstances: 6 }),
    },
    capacityPerInstance: 2,
    maxUseCount: 0,
  } as unknown as MeasuredFleet
  const starting = runner({ labels: { ...labels, runner_name: 'starting' } })
  return createMetrics({
    concurrent: new Concurrency(40),
    logLines: { debug: 0, info: 5, warn: 2, error: 1 },
    logLinesLost: () => 7,
    runners: () => [started, starting],
    fleets: () => [fleet],
    buckets: fleetBuckets([{ instanceDeletionTimeBuckets: [7] }]),
  })
}

/** All series but those of the runner that is starting, without the labels that all have. */
async function scrape({ registry }: Metrics): Promise<Readonly<Record<string, number>>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => !/^#|^$|"starting"/.test(line))
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, list = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) as unknown as [
        string,
        string,
        string | undefined,
        string,
      ]
      const own = list.split(',').filter((label) => label !== '' && !/^(runner|runner_name|system_id)=/.test(label))
      return [`${name}${own.length === 0 ? '' : `{${own.join(',')}}`}`, Number(value)]
    }),
  )
}

test.each([
  ['gitlab_runner_concurrent', 40],
  ['gitlab_runner_worker_slots_number', 0],
  ['gitlab_runner_errors_total{level="warning"}', 2],
  ['gitlab_runner_errors_total{level="error"}', 1],
  ['gitlab_runner_jobs{state="idle",stage="idle",executor_stage="idle"}', 0],
  ['gitlab_runner_jobs{state="pending",stage="prepare_executor",executor_stage="created"}', 1],
  ['gitlab_runner_jobs{state="running",stage="step_script",executor_stage="prepare"}', 2],
  ['gitlab_runner_jobs{state="finished",stage="after_script",executor_stage="finish"}', 1],
  ['gitlab_runner_limit', 7],
  ['gitlab_runner_request_concurrency', 2],
  ['gitlab_runner_request_concurrency_hard_limit', 8],
  ['gitlab_runner_request_concurrency_adaptive_limit', 3],
  ['gitlab_runner_request_concurrency_used_limit', 3],
  ['gitlab_runner_request_concurrency_exceeded_total', 1],
  ['gitlab_runner_worker_feeds_total', 9],
  ['gitlab_runner_worker_feed_failures_total', 2],
  ['gitlab_runner_worker_processing_failures_total{failure_type="no_free_executor"}', 4],
  ['gitlab_runner_worker_processing_failures_total{failure_type="job_failure"}', 6],
  ['gitlab_runner_job_queue_size', 12],
  ['gitlab_runner_job_queue_depth', 3],
  ['fleeting_provisioner_instances{state="running"}', 3],
  ['fleeting_provisioner_instances{state="pending"}', 2],
  ['fleeting_provisioner_instances_missing', 2],
  ['fleeting_provisioner_max_instances', 10],
  ['fleeting_taskscaler_tasks{state="idle"}', 5],
  ['fleeting_taskscaler_desired_instances', 6],
  ['fleeting_taskscaler_max_tasks_per_instance', 2],
  ['fleeting_taskscaler_max_use_count_per_instance', 0],
  ['fleeting_taskscaler_task_operations_total{operation="reserve"}', 20],
  ['fleeting_taskscaler_scale_operations_total{operation="up"}', 4],
])('%s is %d, at every scrape', async (series, value) => {
  const source = metrics()
  expect((await scrape(source))[series]).toBe(value)
  expect((await scrape(source))[series]).toBe(value)
})

test('series carry the short token, the name and the system id', async () => {
  expect(await metrics().registry.metrics()).toContain(
    '\ngitlab_runner_limit{runner="abcdefghi",runner_name="one",system_id="s_0"} 7\n',
  )
})

test('what is observed is counted, with its labels', async () => {
  const source = metrics()
  const { provisioner, taskscaler } = source.observeFleet(labels)
  const jobs = source.observeJobs(labels)
  provisioner.internalOperation?.('reconcile')
  provisioner.instanceOperation?.('create')
  provisioner.missedUpdate?.()
  provisioner.instanceLost?.()
  provisioner.launchFailed?.('quota', 3)
  provisioner.groupCall?.('list', 12, 'throttled')
  provisioner.groupCall?.('list', 12)
  provisioner.creationTime?.(1_500)
  provisioner.runningTime?.(2_500)
  provisioner.deletionTime?.(3_500)
  provisioner.lifeDuration?.(90_000)
  taskscaler.instanceReady?.(4_500)
  taskscaler.waited?.(700)
  jobs.started(42, true)
  jobs.started(0, false)
  jobs.stageEnded('step_script', 2_500)
  for (const name of ['a', 'b', 'c']) jobs.stageEnded(`step_${name}`, 1000)
  jobs.ended(61_000)
  jobs.ended(2_000, 'script_failure')
  expect(await scrape(source)).toMatchObject({
    'fleeting_provisioner_internal_operations_total{operation="reconcile"}': 1,
    'fleeting_provisioner_instance_operations_total{operation="create"}': 1,
    fleeting_provisioner_missed_updates_total: 1,
    fleeting_provisioner_instances_lost_total: 1,
    'fleeting_provisioner_launch_failures_total{code="quota"}': 3,
    'fleeting_provisioner_group_calls_total{operation="list",result="throttled"}': 1,
    'fleeting_provisioner_group_calls_total{operation="list",result="ok"}': 1,
    fleeting_provisioner_instance_creation_time_seconds_sum: 1.5,
    fleeting_provisioner_instance_is_running_time_seconds_sum: 2.5,
    fleeting_provisioner_instance_deletion_time_seconds_sum: 3.5,
    fleeting_provisioner_instance_life_duration_seconds_sum: 90,
    fleeting_taskscaler_task_instance_readiness_time_seconds_sum: 4.5,
    fleeting_taskscaler_task_wait_time_seconds_sum: 0.7,
    gitlab_runner_jobs_total: 2,
    gitlab_runner_acceptable_job_queuing_duration_exceeded_total: 1,
    'gitlab_runner_job_stage_duration_seconds_sum{stage="step_script"}': 2.5,
    'gitlab_runner_job_stage_duration_seconds_sum{stage="step_other"}': 3,
    'gitlab_runner_job_stage_duration_seconds_bucket{le="3",stage="step_script"}': 1,
    'fleeting_provisioner_instance_deletion_time_seconds_bucket{le="7"}': 1,
    gitlab_runner_job_queue_duration_seconds_sum: 42,
    gitlab_runner_job_duration_seconds_sum: 63,
    'gitlab_runner_failed_jobs_total{failure_reason="script_failure"}': 1,
  })
})
