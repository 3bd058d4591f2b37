/**
 * What the configuration of a runner adds to the scripts of all its jobs, as GitLab's runner has it. An empty text adds
 * nothing.
 */
export interface RunnerScripts {
  /** In the login's directory, before the job's own hook `pre_get_sources_script`. */
  readonly preGetSources: string
  /** In the work tree, after the job's own hook `post_get_sources_script`. */
  readonly postGetSources: string
  /** Before the lines of each of the job's steps, in their shell; not before `after_script`. */
  readonly preBuild: string
  /** After the lines of each of the job's steps, in their shell, unless they failed; not after `after_script`. */
  readonly postBuild: string
}

export const noRunnerScripts: RunnerScripts = { preGetSources: '', postGetSources: '', preBuild: '', postBuild: '' }
