import type { Provisioner, ProvisionerObserver } from '@runner-core/fleeting/provisioner'
import type { Taskscaler, TaskscalerObserver } from '@runner-core/taskscaler'
import { Counter, Histogram, type Registry } from 'prom-client'
import type { FleetBuckets } from './fleet-buckets.ts'
import { type PulledMetric, pullMetric } from './pulled-metric.ts'
import { type RunnerLabels, runnerLabelNames } from './runner-labels.ts'

/** A runner's instances, as the metrics read them. */
export interface MeasuredFleet {
  readonly labels: RunnerLabels
  readonly provisioner: Pick<Provisioner, 'counts' | 'maxInstances' | 'missingCount'>
  readonly scaler: Pick<Taskscaler, 'counters' | 'status'>
  readonly capacityPerInstance: number
  /** 0: no bound. */
  readonly maxUseCount: number
  /** How long state cannot be written, milliseconds; 0: it can. Absent: none is kept. */
  readonly unwrittenMs?: number
}

export interface FleetObservers {
  readonly provisioner: ProvisionerObserver
  readonly taskscaler: TaskscalerObserver
}

/** A wait ends when an instance becomes ready, or sooner. */
const waitSeconds = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200]

const pulled: readonly PulledMetric<MeasuredFleet>[] = [
  {
    kind: 'gauge',
    name: 'fleeting_provisioner_instances',
    help: 'Instances by state; requested and pending ones have not been seen yet.',
    labels: ['state'],
    read: ({ provisioner }) => provisioner.counts(),
  },
  {
    kind: 'gauge',
    name: 'fleeting_provisioner_instances_missing',
    help: 'Instances missing from the list of the group that are not known to be gone.',
    read: ({ provisioner }) => provisioner.missingCount,
  },
  {
    kind: 'gauge',
    name: 'fleeting_provisioner_max_instances',
    help: 'Maximum number of instances.',
    read: ({ provisioner }) => provisioner.maxInstances,
  },
  {
    kind: 'gauge',
    name: 'fleeting_taskscaler_tasks',
    help: 'Slots by state.',
    labels: ['state'],
    read: ({ scaler }) => ({ ...scaler.status().tasks }),
  },
  {
    kind: 'gauge',
    name: 'fleeting_taskscaler_desired_instances',
    help: 'Number of instances needed for the demand and the idle policy.',
    read: ({ scaler }) => scaler.status().desiredInstances,
  },
  {
    kind: 'gauge',
    name: 'fleeting_taskscaler_max_tasks_per_instance',
    help: 'Maximum number of jobs that run on one instance at once.',
    read: ({ capacityPerInstance }) => capacityPerInstance,
  },
  {
    kind: 'gauge',
    name: 'fleeting_taskscaler_max_use_count_per_instance',
    help: 'Maximum number of jobs that an instance runs before it is replaced; 0: no limit.',
    read: ({ maxUseCount }) => maxUseCount,
  },
  {
    kind: 'counter',
    name: 'fleeting_taskscaler_task_operations_total',
    help: 'Reservations and acquisitions of slots, and their ends.',
    labels: ['operation'],
    read: ({ scaler }) => ({ ...scaler.counters.tasks }),
  },
  {
    kind: 'counter',
    name: 'fleeting_taskscaler_scale_operations_total',
    help: 'Instances requested (up) and instances chosen for removal (down).',
    labels: ['operation'],
    read: ({ scaler }) => ({ ...scaler.counters.scale }),
  },
  {
    kind: 'gauge',
    name: 'fleeting_provisioner_state_unwritten_seconds',
    help: 'How long state has been unwritable, so that no job is accepted or started; 0 when it is writable.',
    read: ({ unwrittenMs }) => unwrittenMs && unwrittenMs / 1000,
  },
]

/** The autoscaler's metrics, under GitLab Runner's names. Answers what observes one runner's fleet. */
export function registerFleetMetrics(
  registry: Registry,
  fleets: () => Iterable<MeasuredFleet>,
  buckets: FleetBuckets,
): (labels: RunnerLabels) => FleetObservers {
  for (const metric of pulled) pullMetric(registry, runnerLabelNames, fleets, metric)
  const counter = (name: string, help: string, ...more: string[]): Counter =>
    new Counter({ name, help, registers: [registry], labelNames: [...runnerLabelNames, ...more] })
  const histogram = (name: string, help: string, seconds: readonly number[]): Histogram =>
    new Histogram({ name, help, registers: [registry], labelNames: runnerLabelNames, buckets: [...seconds] })

  const internal = counter(
    'fleeting_provisioner_internal_operations_total',
    "Steps of the provisioner's loop.",
    'operation',
  )
  const instances = counter(
    'fleeting_provisioner_instance_operations_total',
    'Instances that appeared and that disappeared.',
    'operation',
  )
  const missed = counter(
    'fleeting_provisioner_missed_updates_total',
    'Times that the group did not list an instance that should exist.',
  )
  const lost = counter(
    'fleeting_provisioner_instances_lost_total',
    'Instances that disappeared without being removed by the provisioner.',
  )
  const launchFailures = counter(
    'fleeting_provisioner_launch_failures_total',
    'Requested instances that did not appear or failed.',
    'code',
  )
  const calls = counter('fleeting_provisioner_group_calls_total', 'Calls to the instance group.', 'operation', 'result')
  const creation = histogram(
    'fleeting_provisioner_instance_creation_time_seconds',
    'Time from the request for an instance until it is first seen.',
    buckets.creation,
  )
  const running = histogram(
    'fleeting_provisioner_instance_is_running_time_seconds',
    'Time from the request for an instance until it is running.',
    buckets.running,
  )
  const deletion = histogram(
    'fleeting_provisioner_instance_deletion_time_seconds',
    'Time from the first delete call for an instance until it is gone.',
    buckets.deletion,
  )
  const life = histogram(
    'fleeting_provisioner_instance_life_duration_seconds',
    'Time from when an instance is first seen until it is gone.',
    buckets.life,
  )
  const readiness = histogram(
    'fleeting_taskscaler_task_instance_readiness_time_seconds',
    'Time from the request for an instance until it passes its readiness check.',
    buckets.readiness,
  )
  const waits = histogram(
    'fleeting_taskscaler_task_wait_time_seconds',
    'How long jobs waited for a slot; jobs that did not wait are not counted.',
    waitSeconds,
  )

  return (labels) => ({
    provisioner: {
      internalOperation: (operation) => internal.inc({ ...labels, operation }),
      instanceOperation: (operation) => instances.inc({ ...labels, operation }),
      missedUpdate: () => missed.inc({ ...labels }),
      instanceLost: () => lost.inc({ ...labels }),
      launchFailed: (code, count) => launchFailures.inc({ ...labels, code }, count),
      groupCall: (operation, _durationMs, code) => calls.inc({ ...labels, operation, result: code ?? 'ok' }),
      creationTime: (durationMs) => creation.observe({ ...labels }, durationMs / 1000),
      runningTime: (durationMs) => running.observe({ ...labels }, durationMs / 1000),
      deletionTime: (durationMs) => deletion.observe({ ...labels }, durationMs / 1000),
      lifeDuration: (durationMs) => life.observe({ ...labels }, durationMs / 1000),
    },
    taskscaler: {
      instanceReady: (durationMs) => readiness.observe({ ...labels }, durationMs / 1000),
      waited: (durationMs) => waits.observe({ ...labels }, durationMs / 1000),
    },
  })
}
