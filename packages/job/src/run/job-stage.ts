/** What a job is at, in GitLab Runner's words. `step_script` is the job's own script; other steps have names of their own. */
export type JobStage = 'prepare_executor' | 'prepare_script' | 'get_sources' | `step_${string}` | 'after_script' | 'cleanup_file_variables'
