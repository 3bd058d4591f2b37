/** What a coordinator can be told that a runner is able to do. It keeps back jobs that need what is not there. */
export const runnerFeatures = [
  'variables',
  'image',
  'services',
  'artifacts',
  'cache',
  'fallback_cache_keys',
  'shared',
  'upload_multiple_artifacts',
  'upload_raw_artifacts',
  'session',
  'terminal',
  'refspecs',
  'masking',
  'proxy',
  'raw_variables',
  'artifacts_exclude',
  'multi_build_steps',
  'trace_reset',
  'trace_checksum',
  'trace_size',
  'vault_secrets',
  'cancelable',
  'return_exit_code',
  'service_variables',
  'service_multiple_aliases',
  'image_executor_opts',
  'service_executor_opts',
  'cancel_gracefully',
  'native_steps_integration',
  'two_phase_job_commit',
  'job_inputs',
] as const
export type RunnerFeature = (typeof runnerFeatures)[number]

/** Features of this client and the {@link JobReporter} themselves, whatever runs the jobs. */
const clientFeatures: readonly RunnerFeature[] = [
  'trace_reset',
  'trace_checksum',
  'trace_size',
  'cancelable',
  'cancel_gracefully',
  'two_phase_job_commit',
]

/** How a runner describes itself; the wire's `info`. */
export interface RunnerInfo {
  readonly name: string
  readonly version: string
  readonly revision: string
  /** Operating system in Go's words, such as `linux`. */
  readonly platform: string
  /** Processor in Go's words, such as `amd64`. */
  readonly architecture: string
  readonly executor: string
  readonly shell: string
  readonly features: Readonly<Record<RunnerFeature, boolean>>
}

export interface RunnerInfoOptions {
  readonly version: string
  /** Commit the version was built from; default `release`. */
  readonly revision?: string
  readonly executor: string
  readonly shell: string
  /** What the executor and the scripts can do; those of the client come on top, all others are off. */
  readonly features: readonly RunnerFeature[]
}

const goPlatforms: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' }
const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

/** The `info` of a runner in this process. */
export function describeRunner(options: RunnerInfoOptions): RunnerInfo {
  const present = new Set([...clientFeatures, ...options.features])
  return {
    name: 'runner-core',
    version: options.version,
    revision: options.revision ?? 'release',
    platform: goPlatforms[process.platform] ?? process.platform,
    architecture: goArchitectures[process.arch] ?? process.arch,
    executor: options.executor,
    shell: options.shell,
    features: Object.fromEntries(runnerFeatures.map((feature) => [feature, present.has(feature)])) as Record<
      RunnerFeature,
      boolean
    >,
  }
}

/**
 * The `User-Agent`: `gitlab-runner VERSION (BRANCH; GOVERSION; OS/ARCH)`, the only form that servers parse. The first
 * word names the protocol's client, as every browser is a `Mozilla`; who it really is stands where the branch would,
 * and the runtime where Go's version would.
 */
export function userAgent({ name, version, platform, architecture }: RunnerInfo): string {
  return `gitlab-runner ${version} (${name}; node${process.versions.node}; ${platform}/${architecture})`
}
