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

/** What containers are made from. */
export interface JobImage {
  /** With the job's variables in it as they were written. */
  readonly name: string
  /** Empty: the image's own. */
  readonly entrypoint: readonly string[]
  /** `always`, `if-not-present`, `never`, tried one after the other; empty: as configured. */
  readonly pull_policy: readonly string[]
  /** Name or id; empty: as configured, else the image's own. */
  readonly user: string
  /** `linux/arm64`; empty: the Engine's. */
  readonly platform: string
}

/** What runs beside a job, for it to talk to. */
export interface JobService extends JobImage {
  /** Names, with blanks or commas between them, beside those that the image's name gives. */
  readonly alias: string
  /** Empty: the image's own. */
  readonly command: readonly string[]
  /** Of this service alone, before the job's own. */
  readonly variables: readonly JobVariable[]
}

/** What opens a server to the job, such as GitLab's own registry. */
export interface JobCredential {
  /** `registry`. */
  readonly type: string
  readonly url: string
  readonly username: string
  readonly password: string
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
  /** Absent: it names none. */
  readonly image?: JobImage | undefined
  readonly services?: readonly JobService[]
  readonly credentials?: readonly JobCredential[]
  /**
   * Parts of the job that not every runner can do, by name (`image`, `services`, `secrets`, `run`): where it cannot,
   * that is said in the trace, or fails the job where it cannot pass without.
   */
  readonly unsupported: readonly string[]
}
