/** Failure reasons as the job API words them. Mapping to what a server knows is the runner's business. */
export type FailureReason =
  | 'script_failure'
  | 'runner_system_failure'
  | 'job_execution_timeout'
  | 'job_canceled'
  | 'runner_configuration_error'
  | 'runner_interrupted'
  | 'image_pull_failure'
  | 'runner_external_dependency_failure'
