/**
 * What this package does, as `info.features` of the job API names it: the coordinator gives no job that needs more. The
 * executor and the API client add theirs. Absent is what is not there yet: services, images, secrets.
 */
export const jobFeatures: Readonly<Record<string, true>> = {
  cache: true,
  fallback_cache_keys: true,
  variables: true,
  raw_variables: true,
  multi_build_steps: true,
  refspecs: true,
  artifacts: true,
  artifacts_exclude: true,
  upload_multiple_artifacts: true,
  upload_raw_artifacts: true,
  masking: true,
  return_exit_code: true,
  cancelable: true,
  cancel_gracefully: true,
}
