import type { Clock } from '@runner-core/fleeting'
import type { JobStage } from '@runner-core/job'

/**
 * `pending` waits for its slot · `running` its scripts run · `finished` its end is being reported. GitLab Runner's
 * words.
 */
export type JobPhase = 'pending' | 'running' | 'finished'

export interface JobProgressOptions {
  readonly onStageEnd: (stage: JobStage, durationMs: number) => void
  readonly clock: Clock
}

/** What one job is at. */
export class JobProgress {
  /** The stage under way, or the last one. */
  stage: JobStage = 'prepare_executor'
  phase: JobPhase = 'pending'
  readonly #options: JobProgressOptions
  /** Undefined while no stage is under way. */
  #stageBeganAt: number | undefined

  constructor(options: JobProgressOptions) {
    this.#options = options
  }

  readonly onPhase = (phase: JobPhase): void => {
    this.phase = phase
  }

  /** Undefined: the stage under way has ended, and none follows at once. */
  readonly onStage = (stage: JobStage | undefined): void => {
    const now = this.#options.clock.now()
    if (this.#stageBeganAt !== undefined) this.#options.onStageEnd(this.stage, now - this.#stageBeganAt)
    this.#stageBeganAt = stage && now
    this.stage = stage ?? this.stage
  }
}
