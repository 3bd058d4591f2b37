import type { EarlierJob } from './left-artifacts.ts'

/** A variable of a job; what is absent is as GitLab's default: public, not a file, not masked, expanded. */
export interface VariableSpec {
  readonly key: string
  readonly value: string
  readonly public?: boolean
  readonly file?: boolean
  readonly masked?: boolean
  readonly raw?: boolean
}

/**
 * Files that a job leaves; what is absent is empty on the wire but for `type` and `format`, which are those of an
 * archive.
 */
export interface ArtifactSpec {
  readonly name?: string
  readonly untracked?: boolean
  readonly paths?: readonly string[]
  readonly exclude?: readonly string[]
  readonly when?: string
  readonly type?: string
  readonly format?: string
  readonly expireIn?: string
}

/** A job to be handed out. */
export interface JobSpec {
  /** Default `job`. */
  readonly name?: string
  /** Default `test`. */
  readonly stage?: string
  /** Number of its project, `group/project` or, beyond the first, `group/project-N`. Default 1. */
  readonly project?: number
  readonly script: readonly string[]
  /** Default: none. */
  readonly afterScript?: readonly string[]
  /** Added after GitLab's predefined ones, so they win. */
  readonly variables?: readonly VariableSpec[]
  /** Seconds the job may take. Default 3,600. */
  readonly timeoutSeconds?: number
  /** The sources. Default: none, and `GIT_STRATEGY` is `none`. */
  readonly git?: {
    readonly repoUrl: string
    readonly ref: string
    readonly sha: string
    readonly refspecs?: readonly string[]
    readonly depth?: number
    /** Whether `repoUrl` gets the job's token as its login, as GitLab puts it there. Default false. */
    readonly withToken?: boolean
  }
  /**
   * Features that the runner must advertise, for example `multi_build_steps`; without them the job fails as
   * `runner_unsupported`. Default: none.
   */
  readonly requires?: readonly string[]
  /** Only the runner with this token gets the job. Default: any. */
  readonly runnerToken?: string
  /**
   * Bytes of the script's own output, by which the time of its first output is known: they must not stand in the
   * script's text, which is echoed.
   */
  readonly marker?: string
  /** Default true. */
  readonly traceSections?: boolean
  /**
   * Whether each line of its log may begin with its time, as runners have it by default. Default false: the job turns
   * it off (`FF_TIMESTAMPS`), and its trace is what it printed.
   */
  readonly timestamps?: boolean
  /** Default `glpat-`. */
  readonly tokenMaskPrefixes?: readonly string[]
  /**
   * Failure reasons that the server knows besides the three that all know. Default: those of a current server,
   * `job_canceled` not among them.
   */
  readonly failureReasons?: readonly string[]
  /** What it leaves. Default: nothing. */
  readonly artifacts?: readonly ArtifactSpec[]
  /** Earlier jobs whose artifacts it gets. Default: none. */
  readonly dependencies?: readonly EarlierJob[]
  /** Merged over the top level of the job's JSON, for what has no field here and for what is wrong on purpose. */
  readonly override?: Readonly<Record<string, unknown>>
}

/** What the JSON says besides what the spec says. */
export interface JobIdentity {
  readonly id: number
  readonly token: string
  readonly serverUrl: string
  readonly timeInQueueSeconds: number
  readonly queueSize: number
}

const alwaysKnownReasons = ['unknown_failure', 'script_failure', 'runner_system_failure', 'job_execution_timeout']
const currentReasons = [
  'image_pull_failure',
  'runner_configuration_error',
  'runner_external_dependency_failure',
  'runner_interrupted',
  'runner_unsupported',
  'trace_size_exceeded',
]

/** Whether the server would store this failure reason as it is. */
export function knowsFailureReason(spec: JobSpec, reason: string): boolean {
  return alwaysKnownReasons.includes(reason) || (spec.failureReasons ?? currentReasons).includes(reason)
}

/** The job as GitLab words it, null arrays and fields that a runner must ignore included. */
export function jobJson(spec: JobSpec, identity: JobIdentity): Record<string, unknown> {
  const name = spec.name ?? 'job'
  const stage = spec.stage ?? 'test'
  const { project = 1 } = spec
  const projectName = project === 1 ? 'project' : `project-${project}`
  const projectPath = `group/${projectName}`
  const repoUrl = spec.git?.repoUrl ?? `${identity.serverUrl}/${projectPath}.git`
  const login = spec.git?.withToken === true ? `gitlab-ci-token:${identity.token}@` : ''
  const timeout = spec.timeoutSeconds ?? 3600
  const step = (stepName: string, script: readonly string[], when: string): object => ({
    name: stepName,
    script,
    timeout,
    when,
    allow_failure: stepName === 'after_script',
  })
  const predefined: VariableSpec[] = [
    { key: 'CI_JOB_ID', value: String(identity.id) },
    { key: 'CI_JOB_TOKEN', value: identity.token, public: false, masked: true },
    { key: 'CI_JOB_NAME', value: name },
    { key: 'CI_JOB_STAGE', value: stage },
    { key: 'CI_SERVER_URL', value: identity.serverUrl },
    { key: 'CI_PROJECT_ID', value: String(project) },
    { key: 'CI_PROJECT_NAME', value: projectName },
    { key: 'CI_PROJECT_PATH', value: projectPath },
    { key: 'CI_PIPELINE_ID', value: '1' },
    ...(spec.git === undefined ? [{ key: 'GIT_STRATEGY', value: 'none' }] : []),
    ...(spec.timestamps === true ? [] : [{ key: 'FF_TIMESTAMPS', value: 'false' }]),
  ]
  return {
    id: identity.id,
    token: identity.token,
    allow_git_fetch: true,
    job_info: {
      id: identity.id,
      name,
      stage,
      pipeline_id: 1,
      project_id: project,
      project_name: projectName,
      project_full_path: projectPath,
      namespace_id: 1,
      root_namespace_id: 1,
      organization_id: 1,
      instance_id: '1',
      user_id: 1,
      time_in_queue_seconds: identity.timeInQueueSeconds,
      project_jobs_running_on_instance_runners_count: '+Inf',
      queue_size: identity.queueSize,
      queue_depth: 1,
    },
    git_info: {
      repo_url: repoUrl.replace('://', `://${login}`),
      repo_object_format: 'sha1',
      ref: spec.git?.ref ?? 'main',
      sha: spec.git?.sha ?? '0'.repeat(40),
      before_sha: '0'.repeat(40),
      ref_type: 'branch',
      refspecs: spec.git?.refspecs ?? ['+refs/heads/main:refs/remotes/origin/main'],
      depth: spec.git?.depth ?? 20,
      protected: null,
    },
    runner_info: { timeout, runner_session_url: null },
    variables: [...predefined, ...(spec.variables ?? [])].map((variable) => ({
      public: true,
      file: false,
      masked: false,
      raw: false,
      ...variable,
    })),
    steps: [
      step('script', spec.script, 'on_success'),
      ...(spec.afterScript === undefined ? [] : [step('after_script', spec.afterScript, 'always')]),
    ],
    image: null,
    services: null,
    artifacts: spec.artifacts?.map(artifactJson) ?? null,
    cache: [],
    credentials: null,
    dependencies: spec.dependencies?.map(dependencyJson) ?? null,
    features: {
      trace_sections: spec.traceSections ?? true,
      token_mask_prefixes: spec.tokenMaskPrefixes ?? ['glpat-'],
      failure_reasons: [...alwaysKnownReasons, ...(spec.failureReasons ?? currentReasons)],
      tracing: null,
    },
    secrets: {},
    hooks: null,
    run: '',
    inputs: [],
    policy_options: null,
    ...spec.override,
  }
}

function artifactJson({
  name = '',
  untracked = false,
  paths = [],
  exclude = [],
  when = '',
  type = 'archive',
  format = 'zip',
  expireIn = '',
}: ArtifactSpec): object {
  return { name, untracked, paths, exclude, when, artifact_type: type, artifact_format: format, expire_in: expireIn }
}

function dependencyJson({ id, spec, dependencyToken, artifacts }: EarlierJob): object {
  const file = artifacts && { artifacts_file: { filename: artifacts.filename, size: artifacts.bytes.length } }
  return { id, token: dependencyToken, name: spec.name ?? 'job', ...file }
}
