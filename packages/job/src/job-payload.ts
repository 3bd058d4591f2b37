/**
 * A job as GitLab hands it out, after parsing: null arrays are empty, unknown fields are gone. Names are the wire's.
 *
 * @module
 */

export interface JobVariable {
  readonly key: string
  readonly value: string
  readonly public: boolean
  readonly file: boolean
  readonly masked: boolean
  readonly raw: boolean
}

export interface JobStep {
  /** `script`, `after_script`, or another name such as `release`. */
  readonly name: string
  readonly script: readonly string[]
  readonly timeout: number
  readonly when: string
  readonly allow_failure: boolean
}

export interface JobHook {
  readonly name: string
  readonly script: readonly string[]
}

/** Files that jobs leave to later ones. */
export interface JobCache {
  /** Empty: the job's name and ref are. */
  readonly key: string
  readonly fallback_keys: readonly string[]
  /** Also what git does not know. */
  readonly untracked: boolean
  /** `pull`, `push`, `pull-push`; empty is `pull-push`. */
  readonly policy: string
  readonly paths: readonly string[]
  /** `on_success`, `on_failure`, `always`; empty is `on_success`. */
  readonly when: string
}

export interface GitInfo {
  readonly repo_url: string
  readonly repo_object_format: string
  readonly ref: string
  readonly sha: string
  readonly before_sha: string
  readonly ref_type: string
  readonly refspecs: readonly string[]
  readonly depth: number
}

export interface JobInfo {
  readonly name: string
  readonly stage: string
  readonly project_id: number
  readonly project_name: string
  readonly project_full_path: string
  readonly time_in_queue_seconds: number
  /**
   * Jobs that the project had running on instance runners, as text: `0`, `4`, `+Inf` for many; empty where GitLab does
   * not say.
   */
  readonly project_jobs_running_on_instance_runners_count: string
  readonly queue_size: number | undefined
  readonly queue_depth: number | undefined
}

/** Files that the job leaves: one archive, or one report. */
export interface JobArtifact {
  /** Without an extension. Variables are replaced, as in `paths` and `exclude`. */
  readonly name: string
  readonly untracked: boolean
  /** Patterns. */
  readonly paths: readonly string[]
  readonly exclude: readonly string[]
  /** `on_success`, `on_failure`, `always`; empty: on success. */
  readonly when: string
  /** `archive`, `junit`, …; empty: an archive. */
  readonly artifact_type: string
  /** `zip`, `gzip`, `raw`; empty: zip. */
  readonly artifact_format: string
  readonly expire_in: string
}

/** An earlier job whose artifacts this one gets. */
export interface JobDependency {
  readonly id: number
  /** That job's own: only it opens its artifacts. */
  readonly token: string
  readonly name: string
  /** Name of the archive; empty where that job left none. */
  readonly filename: string
}

export interface JobFeatures {
  readonly trace_sections: boolean
  readonly token_mask_prefixes: readonly string[]
  readonly failure_reasons: readonly string[]
}

export interface JobPayload {
  readonly id: number
  readonly token: string
  readonly allow_git_fetch: boolean
  readonly job_info: JobInfo
  readonly git_info: GitInfo
  /** Seconds the whole job may take, preparation included; ≤ 0 on the wire is 7,200 here. */
  readonly timeout_seconds: number
  /** In the wire's order: later duplicates win. */
  readonly variables: readonly JobVariable[]
  readonly steps: readonly JobStep[]
  readonly hooks: readonly JobHook[]
  readonly cache: readonly JobCache[]
  readonly artifacts: readonly JobArtifact[]
  readonly dependencies: readonly JobDependency[]
  readonly features: JobFeatures
  /**
   * Parts of the job that this runner cannot do, by name (`image`, `services`, `secrets`, `run`): said in the trace, or
   * failing the job where it cannot pass without.
   */
  readonly unsupported: readonly string[]
}
