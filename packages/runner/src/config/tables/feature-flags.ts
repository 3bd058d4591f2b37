import { isTable, type Kind, nameOf, show } from './schema.ts'
import { unknownKeyMessage } from './unknown-key.ts'

/** What becomes of one of GitLab Runner's feature flags in `[runners.feature_flags]`. */
type FlagVerdict =
  /** It is on or off, as the file says, for all jobs. */
  | { readonly is: 'heeded' }
  /** It changes nothing, whatever it is, and nothing is lost by that. */
  | { readonly is: 'without effect'; readonly because: string }
  /** On, it would have to do what nothing here does. */
  | { readonly is: 'refused'; readonly instead: string }

const heeded: FlagVerdict = { is: 'heeded' }
const without = (because: string): FlagVerdict => ({ is: 'without effect', because })
const refused = (instead: string): FlagVerdict => ({ is: 'refused', instead })
const ofKubernetes = without('it is about Kubernetes')
const ofWindows = without('it is about Windows and PowerShell')

/** All flags of GitLab Runner 19.4. */
export const featureFlagVerdicts: Readonly<Record<string, FlagVerdict>> = {
  FF_NETWORK_PER_BUILD: heeded,
  FF_SCRIPT_SECTIONS: heeded,
  FF_TIMESTAMPS: heeded,
  FF_USE_DIRECT_DOWNLOAD: heeded,
  FF_USE_GIT_NATIVE_CLONE: heeded,
  FF_USE_INIT_WITH_DOCKER_EXECUTOR: heeded,
  FF_CLEAN_UP_FAILED_CACHE_EXTRACT: without('an archive is checked before anything of it is unpacked'),
  FF_CONCRETE: without('scripts are run in one way only'),
  FF_DISABLE_AUTOMATIC_TOKEN_ROTATION: without('no token is rotated'),
  FF_ENABLE_JOB_INPUTS_INTERPOLATION: without('a job says itself where it needs what is not there'),
  FF_EXPORT_HIGH_CARDINALITY_METRICS: without('metrics have the labels that the documentation lists'),
  FF_GIT_URLS_WITHOUT_TOKENS: without('no URL has a token'),
  FF_LOG_IMAGES_CONFIGURED_FOR_JOB: without('the log of a job names its images anyway'),
  FF_MASK_ALL_DEFAULT_TOKENS: without('they are always masked'),
  FF_POSIXLY_CORRECT_ESCAPES: without('quoting is always right for POSIX'),
  FF_RESOLVE_FULL_TLS_CHAIN: without('the file of tls-ca-file is passed on as it is'),
  FF_SCRIPT_TO_STEP_MIGRATION: without('scripts are run in one way only'),
  FF_SECRET_RESOLVING_FAILS_IF_MISSING: without('a job with secrets fails anyway'),
  FF_USE_ADAPTIVE_REQUEST_CONCURRENCY: without('requests are always paced by the jobs that come'),
  FF_USE_DOCKER_AUTOSCALER_DIAL_STDIO: without('the Engine is reached over the connection of its instance'),
  FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL: without('the log is sent at the intervals that GitLab asks for'),
  FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY: without('retries always wait longer each time'),
  FF_USE_FASTZIP: without('archives are packed in one way only'),
  FF_USE_FLEETING_ACQUIRE_HEARTBEATS: without('the health of instances is always checked'),
  FF_USE_GITALY_CORRELATION_ID: without('git sends no such header'),
  FF_USE_GIT_BUNDLE_URIS: without('git decides about bundles'),
  FF_USE_GIT_PROACTIVE_AUTH: without('git asks for the login when the server does'),
  FF_USE_JOB_ROUTER: without('jobs are requested from the job API'),
  FF_USE_LEGACY_BASH_EVAL: without('scripts are run in one way only'),
  FF_USE_LEGACY_GCS_CACHE_ADAPTER: without('it is about a client that is not used here'),
  FF_USE_LEGACY_S3_CACHE_ADAPTER: without('it is about a client that is not used here'),
  FF_USE_NATIVE_CONTAINER_STOP: without('containers are always stopped by the Engine'),
  FF_USE_PARALLEL_ARTIFACT_TRANSFER: without('it is about speed'),
  FF_USE_PARALLEL_CACHE_TRANSFER: without('it is about speed'),
  FF_DISABLE_UMASK_FOR_KUBERNETES_EXECUTOR: ofKubernetes,
  FF_KUBERNETES_HONOR_ENTRYPOINT: ofKubernetes,
  FF_PRINT_POD_EVENTS: ofKubernetes,
  FF_USE_ADVANCED_POD_SPEC_CONFIGURATION: ofKubernetes,
  FF_USE_DUMB_INIT_WITH_KUBERNETES_EXECUTOR: ofKubernetes,
  FF_USE_LEGACY_KUBERNETES_EXECUTION_STRATEGY: ofKubernetes,
  FF_USE_POD_ACTIVE_DEADLINE_SECONDS: ofKubernetes,
  FF_WAIT_FOR_POD_TO_BE_REACHABLE: ofKubernetes,
  FF_DISABLE_POWERSHELL_STDIN: ofWindows,
  FF_USE_POWERSHELL_PATH_RESOLVER: ofWindows,
  FF_USE_WINDOWS_JOB_OBJECT: ofWindows,
  FF_USE_WINDOWS_LEGACY_PROCESS_STRATEGY: ofWindows,
  FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR: refused(
    'files of the helper are open to all users only where the job has another user; remove the flag',
  ),
  FF_ENABLE_BASH_EXIT_CODE_CHECK: refused('lines are checked by `set -e` only; end lines of `a && b` with `|| exit`'),
  FF_ENABLE_JOB_CLEANUP: refused('work trees stay for the next job; set GIT_STRATEGY to clone in environment'),
  FF_HASH_CACHE_KEYS: refused('caches are kept under their own keys; remove the flag'),
  FF_SUSPENDABLE_ENVIRONMENTS: refused('no environment is suspended; remove the flag'),
}

export const heededFlags: readonly string[] = Object.keys(featureFlagVerdicts).filter(
  (name) => featureFlagVerdicts[name]?.is === 'heeded',
)

/** `[runners.feature_flags]`: the value has the flags that are heeded. */
export const featureFlags: Kind<Readonly<Record<string, boolean>>> = {
  expected: 'a table of feature flags, each true or false',
  read(value, { path, problem, warning, mayIgnore }) {
    if (!isTable(value)) {
      problem(path, `expected a table of feature flags, got ${show(value)}`)
      return undefined
    }
    const flags: Record<string, boolean> = {}
    for (const [name, isOn] of Object.entries(value)) {
      const at = `${path}.${name}`
      const verdict = Object.hasOwn(featureFlagVerdicts, name) ? featureFlagVerdicts[name]! : undefined
      if (verdict === undefined) problem(at, unknownKeyMessage(name, Object.keys(featureFlagVerdicts)))
      else if (typeof isOn !== 'boolean') problem(at, `expected true or false, got ${show(isOn)}`)
      else if (verdict.is === 'heeded') flags[name] = isOn
      else if (verdict.is === 'without effect') warning(at, `has no effect: ${verdict.because}`)
      else if (isOn && mayIgnore?.(at) === true) warning(at, 'ignored, as --allow-ignored says')
      else if (isOn)
        problem(
          at,
          `expected false or no such key, got true; ${verdict.instead}, or run with --allow-ignored ${nameOf(at)}`,
        )
    }
    return flags
  },
}
