import type { BuildPaths } from '../build-paths.ts'
import { limitExceeded } from '../job-budget.ts'
import type { JobPayload, JobVariable } from '../job-payload.ts'
import type { RunnerIdentity } from '../runner-identity.ts'
import { expandEach } from './expand.ts'

/** A variable that the operator configured for all jobs of a runner: `environment = ["KEY=value"]`. */
export interface EnvironmentVariable {
  readonly key: string
  readonly value: string
}

/** Characters of all expanded values together. GitLab's variables are far smaller; references multiply them. */
export const longestVariables: number = 8 * 1024 * 1024

/** The same of the masked ones: what is looked for in the log takes thirty times as much memory. */
export const longestMaskedVariables: number = 512 * 1024

/** A variable as the script gets it. */
export interface ResolvedVariable {
  readonly key: string
  /** Expanded. Of a file variable: the file's content. */
  readonly value: string
  readonly file: boolean
  readonly masked: boolean
}

export interface JobVariablesOptions {
  readonly payload: JobPayload
  readonly environmentVariables: readonly EnvironmentVariable[]
  /** PEM, for `CI_SERVER_TLS_CA_FILE`. */
  readonly serverCertificates?: string | undefined
  readonly clientCertificate?: ClientCertificate | undefined
  readonly runner: RunnerIdentity
  readonly paths: BuildPaths
  readonly concurrentId: number
  /** For `after_script`: how the job has gone so far. Absent while it runs. */
  readonly jobStatus?: JobStatus
}

/** What the manager shows the coordinator, PEM, for `CI_SERVER_TLS_CERT_FILE` and `CI_SERVER_TLS_KEY_FILE`. */
export interface ClientCertificate {
  readonly certificate: string
  readonly key: string
}

/** `CI_JOB_STATUS`. */
export type JobStatus = 'success' | 'failed' | 'canceled' | 'timedout'

/** File variable with the authorities that sign the coordinator's certificate. */
export const serverCertificatesKey = 'CI_SERVER_TLS_CA_FILE'
/** File variables with what shows the coordinator who this is. */
export const clientCertificateKey = 'CI_SERVER_TLS_CERT_FILE'
export const clientPrivateKey = 'CI_SERVER_TLS_KEY_FILE'

/** All variables of a job in GitLab's order: where a key comes twice, the later one wins. */
export function jobVariables(options: JobVariablesOptions): JobVariable[] {
  const { payload, runner, paths, serverCertificates, clientCertificate } = options
  const imageName = payload.image?.name ?? ''
  const concurrentId = String(options.concurrentId)
  return [
    ...(imageName === '' ? [] : [plain('CI_JOB_IMAGE', imageName, { raw: false })]),
    plain('CI_RUNNER_SHORT_TOKEN', runner.shortToken),
    ...options.environmentVariables.map(({ key, value }) => plain(key, value, { raw: false })),
    plain('CI_BUILDS_DIR', paths.buildsDir),
    plain('CI_PROJECT_DIR', paths.projectDir),
    plain('CI_CONCURRENT_ID', concurrentId),
    plain('CI_CONCURRENT_PROJECT_ID', concurrentId),
    plain('CI_SERVER', 'yes'),
    plain('CI_JOB_STATUS', 'running'),
    plain('CI_JOB_TIMEOUT', String(payload.timeout_seconds)),
    ...(serverCertificates === undefined ? [] : [file(serverCertificatesKey, serverCertificates)]),
    ...(clientCertificate === undefined
      ? []
      : [
          file(clientCertificateKey, clientCertificate.certificate),
          { ...file(clientPrivateKey, clientCertificate.key), public: false },
        ]),
    ...payload.variables,
    plain('CI_SHARED_ENVIRONMENT', 'true'),
    plain('CI_RUNNER_VERSION', runner.version),
    plain('CI_RUNNER_REVISION', runner.revision),
    plain('CI_RUNNER_EXECUTABLE_ARCH', runner.architecture),
    plain('RUNNER_TEMP_PROJECT_DIR', paths.temporaryDir),
    plain('GITLAB_ENV', jobEnvFile(paths)),
    ...(options.jobStatus === undefined ? [] : [plain('CI_JOB_STATUS', options.jobStatus)]),
  ]
}

/** Where a step leaves `KEY=value` lines for the steps after it. */
export function jobEnvFile(paths: BuildPaths): string {
  return `${paths.temporaryDir}/gitlab_runner_env`
}

/** The path of a file variable's file. */
export function variableFile(paths: BuildPaths, key: string): string {
  return `${paths.temporaryDir}/${key}`
}

/**
 * Expands every variable once against the whole list, raw ones excepted. A reference to a file variable gives its path.
 * Thrown: `JobError` `limit_exceeded` when the values would pass {@link longestVariables} together, or the masked ones
 * {@link longestMaskedVariables}.
 */
export function resolveVariables(variables: readonly JobVariable[], paths: BuildPaths): Map<string, ResolvedVariable> {
  const last = new Map(variables.map((variable) => [variable.key, variable]))
  const resolved = new Map<string, ResolvedVariable>()
  let [length, maskedLength] = [0, 0]
  const draw = (key: string, text: string): string => {
    length += text.length
    if (length > longestVariables)
      throw limitExceeded(`variables, expanded, up to ${key}`, `${longestVariables} characters`)
    return text
  }
  for (const { key, value, file, masked, raw } of last.values()) {
    const insert = (name: string): string => {
      const referenced = last.get(name)
      return draw(key, referenced === undefined ? '' : referenced.file ? variableFile(paths, name) : referenced.value)
    }
    draw(key, value)
    const result = raw ? value : expandEach(value, insert)
    if (masked) maskedLength += result.length
    if (maskedLength > longestMaskedVariables)
      throw limitExceeded(`masked variables, expanded, up to ${key}`, `${longestMaskedVariables} characters`)
    resolved.set(key, { key, value: result, file, masked })
  }
  return resolved
}

function file(key: string, content: string): JobVariable {
  return { ...plain(key, content), file: true }
}

function plain(key: string, value: string, { raw = true }: { readonly raw?: boolean } = {}): JobVariable {
  return { key, value, public: true, file: false, masked: false, raw }
}
