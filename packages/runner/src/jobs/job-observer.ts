import type { JobStage } from '@runner-core/job'

/** Told what becomes of a runner's jobs. */
export interface JobObserver {
  /** A job came, this long after it was created. `isLate`: longer than is acceptable. */
  started(queuedSeconds: number, isLate: boolean): void
  stageEnded(stage: JobStage, durationMs: number): void
  /** `failureReason` absent: it succeeded. */
  ended(durationMs: number, failureReason?: string): void
}
