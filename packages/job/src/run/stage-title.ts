/** What the trace calls a stage. */
export function stageTitle(stage: string, executor: string): string {
  return (
    titles[stage] ??
    (stage === 'prepare_executor' ? `Preparing the "${executor}" executor` : `Executing "${stage}" stage of the job script`)
  )
}

const titles: Readonly<Record<string, string>> = {
  prepare_script: 'Preparing environment',
  get_sources: 'Getting source from Git repository',
  after_script: 'Running after_script',
  cleanup_file_variables: 'Cleaning up project directory and file based variables',
}
