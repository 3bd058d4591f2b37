import type { FailureReason } from './failure-reason.ts'
import type { JobErrorCode } from './job-error.ts'

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
