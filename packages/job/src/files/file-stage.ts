import type { JobBudget } from '../job-budget.ts'
import type { JobEnvironment } from '../job-environment.ts'
import type { FileStageName } from '../job-stage.ts'

/** What a stage that moves files says in the job's trace, line by line. */
export interface FileStageLog {
  line(text: string): Promise<void>
  warning(text: string): Promise<void>
  error(text: string): Promise<void>
}

export interface FileStageWork {
  readonly environment: Pick<JobEnvironment, 'transfer' | 'jobMarker' | 'helper'>
  readonly log: FileStageLog
  /** Aborted with a `JobError` when the job is to stop. */
  readonly signal: AbortSignal
  /** Of the job. */
  readonly budget: JobBudget
}

/**
 * A stage in which files come to the machine or leave it. It is done again from its beginning where a manager went away
 * under it, and so must come to the same when it is done twice.
 */
export interface FileStage {
  readonly name: FileStageName
  /** Rejects with a `JobError` when the job fails for it, with `EnvironmentError`, and with the signal's reason. */
  run(work: FileStageWork): Promise<void>
}
