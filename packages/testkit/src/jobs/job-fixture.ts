import type { JobOutcome, JobPayload, JobVariable, RunnerIdentity } from '@runner-core/job'
import { type RunJobOptions, runJob } from '@runner-core/job'
import type { LocalEnvironment } from './local-environment.ts'

export const runner: RunnerIdentity = {
  name: 'test runner',
  version: '0.1.0',
  revision: 'abcdef12',
  shortToken: 'tok123',
  systemId: 's_0123456789ab',
  hostname: 'manager',
  executor: 'instance',
  architecture: 'linux/amd64',
}

export function variable(key: string, value: string, options: Partial<JobVariable> = {}): JobVariable {
  return { key, value, public: false, file: false, masked: false, raw: false, ...options }
}

export interface PayloadOptions {
  readonly script?: readonly string[]
  readonly afterScript?: readonly string[]
  readonly variables?: readonly JobVariable[]
  readonly overrides?: Partial<JobPayload>
}

/** A job without sources whose script is `script`. */
export function payload({
  script = ['true'],
  afterScript,
  variables = [],
  overrides = {},
}: PayloadOptions = {}): JobPayload {
  const step = (name: string, lines: readonly string[]) => ({
    name,
    script: lines,
    timeout: 3600,
    when: 'on_success',
    allow_failure: false,
  })
  return {
    id: 1,
    token: 'job-token-value',
    allow_git_fetch: true,
    job_info: {
      name: 'test',
      stage: 'test',
      project_id: 7,
      project_name: 'project',
      project_full_path: 'group/project',
      time_in_queue_seconds: 0,
      project_jobs_running_on_instance_runners_count: '0',
      queue_size: undefined,
      queue_depth: undefined,
    },
    git_info: {
      repo_url: 'https://gitlab-ci-token:job-token-value@gitlab.invalid/group/project.git',
      repo_object_format: 'sha1',
      ref: 'main',
      sha: '0'.repeat(40),
      before_sha: '0'.repeat(40),
      ref_type: 'branch',
      refspecs: ['+refs/heads/main:refs/remotes/origin/main'],
      depth: 0,
    },
    timeout_seconds: 3600,
    variables: [variable('GIT_STRATEGY', 'none'), ...variables],
    steps: [step('script', script), ...(afterScript === undefined ? [] : [step('after_script', afterScript)])],
    hooks: [],
    cache: [],
    artifacts: [],
    dependencies: [],
    features: { trace_sections: false, token_mask_prefixes: [], failure_reasons: [] },
    unsupported: [],
    ...overrides,
  }
}

const systemClock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs: number, callback: () => void) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

export interface JobResult {
  readonly outcome: JobOutcome
  /** The whole trace, colours taken out. */
  readonly trace: string
  readonly rawTrace: Buffer
}

/** Runs one job in `environment` to its end. `onOutput` sees the trace so far with each piece. */
export async function run(
  environment: LocalEnvironment,
  job: JobPayload,
  options: Partial<RunJobOptions> & { readonly onOutput?: (trace: string) => void } = {},
): Promise<JobResult> {
  const chunks: Buffer[] = []
  const { onOutput, ...rest } = options
  const outcome = await runJob({
    payload: job,
    prepare: async () => environment,
    trace: {
      write(chunk) {
        chunks.push(Buffer.from(chunk))
        onOutput?.(Buffer.concat(chunks).toString())
      },
    },
    clock: systemClock,
    canceling: new AbortController().signal,
    abort: new AbortController().signal,
    runner,
    ...rest,
  })
  const rawTrace = Buffer.concat(chunks)
  return { outcome, rawTrace, trace: rawTrace.toString().replaceAll(/\x1b\[[0-9;]*[mK]/g, '') }
}
