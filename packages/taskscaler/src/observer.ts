import type { Decision } from './explain/decision.ts'

/**
 * What a taskscaler tells whoever counts. Methods are optional and must not throw; durations are milliseconds. Counts
 * are pulled: `Taskscaler.counters`, `Taskscaler.status`.
 */
export interface TaskscalerObserver {
  /** From request to proven ready; only of requested instances. Upstream's `task_instance_readiness_time_seconds`. */
  instanceReady?(durationMs: number): void
  /** How long an acquire waited for its slot; only of those that had to. */
  waited?(durationMs: number): void
  /**
   * Something was decided that was not so before. Not told for each job: only when the fleet, or what holds it back,
   * changes.
   */
  decided?(decision: Decision): void
}
