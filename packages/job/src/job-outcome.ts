import type { JobErrorCode } from './job-error.ts'

/** Failure reasons as the job API words them. Mapping to what a server knows is the runner's business. */
export type FailureReason =
  | 'script_failure'
  | 'runner_system_failure'
  | 'job_execution_timeout'
  | 'job_canceled'
  | 'runner_configuration_error'
  | 'runner_interrupted'

/** How a job ended. */
export type JobOutcome =
  | { readonly state: 'success' }
  | {
      readonly state: 'failed'
      readonly reason: FailureReason
      /** Finer than `reason`. */
      readonly code?: JobErrorCode
      /** The script's own exit code; only with `script_failure`. */
      readonly exitCode?: number
      /** For people; the trace's last line says it. */
      readonly message: string
    }
