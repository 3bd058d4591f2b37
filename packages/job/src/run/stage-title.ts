/** What the trace calls a stage. */
export function stageTitle(stage: string, executor: string): string {
  return (
    titles[stage] ??
    (stage === 'prepare_executor'
      ? `Preparing the "${executor}" executor`
      : `Executing "${stage}" stage of the job script`)
  )
}

const titles: Readonly<Record<string, string>> = {
  prepare_script: 'Preparing environment',
  get_sources: 'Getting source from Git repository',
  restore_cache: 'Restoring cache',
  download_artifacts: 'Downloading artifacts',
  after_script: 'Running after_script',
  archive_cache: 'Saving cache for successful job',
  archive_cache_on_failure: 'Saving cache for failed job',
  upload_artifacts_on_success: 'Uploading artifacts for successful job',
  upload_artifacts_on_failure: 'Uploading artifacts for failed job',
  cleanup_file_variables: 'Cleaning up project directory and file based variables',
}
