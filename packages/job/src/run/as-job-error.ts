import { EnvironmentError } from '../job-environment.ts'
import { JobError } from '../job-error.ts'

/** What a job ends with when this was thrown within it. */
export function asJobError(error: unknown): JobError {
  if (error instanceof JobError) return error
  if (error instanceof EnvironmentError) {
    const reason = error.isInterruption ? 'runner_interrupted' : 'runner_system_failure'
    return new JobError(error.code === 'lost' ? 'environment_lost' : 'environment_failed', reason, error.message, { cause: error })
  }
  return new JobError('internal', 'runner_system_failure', error instanceof Error ? error.message : String(error), { cause: error })
}
