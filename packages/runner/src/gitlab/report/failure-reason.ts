import type { FailureReason, JobOutcome } from '@runner-core/job'
import type { JobUpdate } from '../job-api-client.ts'

/** Reasons that every server knows. */
const alwaysKnown: readonly string[] = ['script_failure', 'runner_system_failure', 'job_execution_timeout']

/** What a server that does not know a reason is told instead; of any other it learns only that it is unknown. */
const substitutes: Partial<Record<FailureReason, string>> = {
  image_pull_failure: 'runner_system_failure',
  runner_configuration_error: 'script_failure',
  runner_external_dependency_failure: 'runner_system_failure',
  // An interrupted job may be retried, as one after a system failure.
  runner_interrupted: 'runner_system_failure',
}

/**
 * The word for `reason` to a server that knows the reasons `known` (the job's `features.failure_reasons`) beside those
 * that all know.
 */
function wireFailureReason(reason: FailureReason, known: readonly string[]): string {
  if (alwaysKnown.includes(reason) || known.includes(reason)) return reason
  return substitutes[reason] ?? 'unknown_failure'
}

/** The update that ends a job. */
export function outcomeUpdate(outcome: JobOutcome, known: readonly string[]): JobUpdate {
  if (outcome.state === 'success') return { state: 'success' }
  const { reason, exitCode } = outcome
  return {
    state: 'failed',
    failureReason: wireFailureReason(reason, known),
    ...(exitCode !== undefined && { exitCode }),
  }
}
