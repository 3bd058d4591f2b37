import { EnvironmentError, type EnvironmentErrorCode } from '../job-environment.ts'
import { JobError, type JobErrorCode } from '../job-error.ts'

const environmentCodes: Readonly<Record<EnvironmentErrorCode, JobErrorCode>> = {
  lost: 'environment_lost',
  failed: 'environment_failed',
  unwritable: 'machine_unwritable',
  occupied: 'machine_occupied',
  cut: 'environment_failed',
}

/** What a job ends with when this was thrown within it. */
export function asJobError(error: unknown): JobError {
  if (error instanceof JobError) return error
  if (error instanceof EnvironmentError) {
    const reason = error.isInterruption ? 'runner_interrupted' : 'runner_system_failure'
    return new JobError(environmentCodes[error.code], reason, error.message, { cause: error })
  }
  return new JobError('internal', 'runner_system_failure', error instanceof Error ? error.message : String(error), {
    cause: error,
  })
}
