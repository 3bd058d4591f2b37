/** A job's variables as they are when its scripts are over: what they left in `GITLAB_ENV` counts, too. */
export interface LateVariables {
  /**
   * Replaces variables in a text of the job as a shell does. `loginDirectory` may stand in what comes of it. Thrown:
   * `ShellExpandError`.
   */
  expand(text: string): string
  /** See `PlannedJob.setting`. */
  setting(key: string): string
}
