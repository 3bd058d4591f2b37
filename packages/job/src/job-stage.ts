/** A stage in which files are moved. */
export type FileStageName =
  | 'restore_cache'
  | 'download_artifacts'
  | 'archive_cache'
  | 'archive_cache_on_failure'
  | 'upload_artifacts_on_success'
  | 'upload_artifacts_on_failure'

/**
 * What a job is at, in GitLab Runner's words. `step_script` is the job's own script; other steps have names of their
 * own.
 */
export type JobStage =
  | 'prepare_executor'
  | 'prepare_script'
  | 'get_sources'
  | `step_${string}`
  | 'after_script'
  | FileStageName
  | 'cleanup_file_variables'
