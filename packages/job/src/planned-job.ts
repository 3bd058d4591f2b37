import type { LateVariables } from './variables/late-variables.ts'

/** What the plan of a job says to whoever moves the job's caches and artifacts. */
export interface PlannedJob {
  /** Absolute, or below `loginDirectory`. */
  readonly projectDir: string
  /**
   * Where steps leave variables for what comes after them (`GITLAB_ENV`). Absolute, or below `loginDirectory`.
   */
  readonly jobEnvFile: string
  /** A variable of the job that says how something is done, without blanks around it; empty where it is not set. */
  setting(key: string): string
  /** Replaces the job's variables in a text of the job. `loginDirectory` may stand in what comes of it. */
  expand(text: string): string
  /** The job's variables once steps left some, which come before the others. */
  lateVariables(left: ReadonlyMap<string, string>): LateVariables
}
