import { Registry } from 'prom-client'
import type { LogLevel } from '../config/settings.ts'
import type { Concurrency } from '../jobs/concurrency.ts'
import type { JobObserver } from '../jobs/job-observer.ts'
import { version } from '../version.ts'
import type { FleetBuckets } from './fleet-buckets.ts'
import { type FleetObservers, type MeasuredFleet, registerFleetMetrics } from './fleet-metrics.ts'
import { type Measured, pullMetric } from './pulled-metric.ts'
import type { RunnerLabels } from './runner-labels.ts'
import { type MeasuredRunner, registerRunnerMetrics } from './runner-metrics.ts'

export interface MetricsSources {
  readonly concurrent: Concurrency
  readonly logLines: Readonly<Record<LogLevel, number>>
  readonly logLinesLost: () => number
  readonly runners: () => Iterable<MeasuredRunner>
  readonly fleets: () => Iterable<MeasuredFleet>
  readonly buckets: FleetBuckets
}

export interface Metrics {
  /** What `/metrics` serves. */
  readonly registry: Registry
  readonly observeFleet: (labels: RunnerLabels) => FleetObservers
  readonly observeJobs: (labels: RunnerLabels) => JobObserver
}

/** All metrics of the runners and their fleets. */
export function createMetrics({
  concurrent,
  logLines,
  logLinesLost,
  runners,
  fleets,
  buckets,
}: MetricsSources): Metrics {
  const registry = new Registry()
  const self = (): readonly Measured[] => [{ labels: {} }]
  pullMetric(registry, [], self, {
    kind: 'gauge',
    name: 'gitlab_runner_version_info',
    help: 'Version of the runner.',
    labels: ['version'],
    read: () => ({ [version]: 1 }),
  })
  pullMetric(registry, [], self, {
    kind: 'gauge',
    name: 'gitlab_runner_concurrent',
    help: 'Maximum number of jobs at once over all runners; 0: no limit.',
    read: () => (Number.isFinite(concurrent.max) ? concurrent.max : 0),
  })
  pullMetric(registry, [], self, {
    kind: 'gauge',
    name: 'gitlab_runner_worker_slots_number',
    help: 'Running jobs and pending requests for a job over all runners.',
    read: () => concurrent.used,
  })
  pullMetric(registry, [], self, {
    kind: 'counter',
    name: 'gitlab_runner_errors_total',
    help: 'Log lines by level.',
    labels: ['level'],
    read: () => ({ warning: logLines.warn, error: logLines.error }),
  })
  pullMetric(registry, [], self, {
    kind: 'counter',
    name: 'gitlab_runner_log_lines_lost_total',
    help: 'Log lines that could not be written because the disk was full or the reader did not keep up.',
    read: logLinesLost,
  })
  return {
    registry,
    observeFleet: registerFleetMetrics(registry, fleets, buckets),
    observeJobs: registerRunnerMetrics(registry, runners),
  }
}
