import {
  type BuildPaths,
  type BuildPathsOptions,
  buildPaths,
  type ClonePaths,
  chosenPaths,
  loginDirectory,
  projectPath,
} from '../build-paths.ts'
import { parseGoBool } from '../go-bool.ts'
import { parseGoDuration } from '../go-duration.ts'
import { JobBudget } from '../job-budget.ts'
import type { JobEnvironment, JobPlace } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import type { JobPayload } from '../job-payload.ts'
import type { PlannedJob } from '../planned-job.ts'
import type { RunnerIdentity } from '../runner-identity.ts'
import { noRunnerScripts, type RunnerScripts } from '../runner-scripts.ts'
import { type GitStrategy, gitStrategy, type SourcesPlan, sourcesPlan } from '../sources/sources-plan.ts'
import { isDebugTrace } from '../variables/early-setting.ts'
import { expand } from '../variables/expand.ts'
import { ExpandEffort } from '../variables/expand-effort.ts'
import {
  type ClientCertificate,
  type EnvironmentVariable,
  type JobStatus,
  jobEnvFile,
  jobVariables,
  type ResolvedVariable,
  resolveVariables,
  variableFile,
} from '../variables/job-variables.ts'
import type { LateVariables } from '../variables/late-variables.ts'
import { shellExpand } from '../variables/shell-expand.ts'
import { shellVariables } from '../variables/shell-variables.ts'
import { type JobScriptOptions, jobScript, type ScriptStage } from './job-script.ts'
import { pwshScript } from './pwsh-script.ts'

export interface JobPlanOptions {
  readonly payload: JobPayload
  readonly environmentVariables: readonly EnvironmentVariable[]
  /** PEM. */
  readonly serverCertificates?: string | undefined
  readonly clientCertificate?: ClientCertificate | undefined
  /** Default true. */
  readonly allowsDebugTrace?: boolean | undefined
  readonly runner: RunnerIdentity
  /** Default: none. */
  readonly runnerScripts?: RunnerScripts | undefined
  /** Address that repositories are fetched from, below which they have their paths. Default: the job's. */
  readonly cloneUrl?: string | undefined
  /** Default `own`. */
  readonly clonePaths?: ClonePaths | undefined
  readonly environment: Pick<
    JobEnvironment,
    'shell' | 'buildsDir' | 'concurrentId' | 'jobMarker' | 'home' | 'guardsLogin' | 'helper' | 'ownsBuildsDir'
  >
  /** Default: one of its own. */
  readonly budget?: JobBudget
}

/**
 * All that is decided about a job once it has a place: its scripts, its time limits, and what its trace says about
 * them.
 */
export class JobPlan implements PlannedJob {
  /** For the trace. */
  readonly warnings: readonly string[]
  /** What the trace says when a stage begins. */
  readonly notes: Readonly<Record<string, readonly string[]>>
  /** Undefined: only the job's own limit holds. */
  readonly scriptTimeoutMs: number | undefined
  readonly afterScriptTimeoutMs: number | undefined
  readonly afterScriptIgnoresErrors: boolean
  readonly hasAfterScript: boolean
  /** Whether the job is prepared in another place than where its own lines run. */
  readonly isPreparedApart: boolean
  /** Whether something of the job, such as a secret in a file, stays on the machine until it is removed. */
  readonly hasFiles: boolean
  readonly #options: JobPlanOptions
  readonly #budget: JobBudget
  readonly #strategy: GitStrategy
  readonly #paths: BuildPaths
  readonly #variables: ReadonlyMap<string, ResolvedVariable>
  readonly #sources: SourcesPlan

  /** Thrown: {@link JobError} `unsupported_shell`, `unsupported`, `invalid_job`, `limit_exceeded`. */
  constructor(options: JobPlanOptions) {
    const { payload, environment, environmentVariables } = options
    if (!['bash', 'sh', 'pwsh'].includes(environment.shell)) {
      throw new JobError(
        'unsupported_shell',
        'runner_configuration_error',
        `shell: expected bash or sh, got ${JSON.stringify(environment.shell)}`,
      )
    }
    const { strategy, warnings } = gitStrategy(payload, environmentVariables)
    this.#options = options
    this.#budget = options.budget ?? new JobBudget()
    this.#strategy = strategy
    const path = projectPath(payload)
    const pathsOptions: BuildPathsOptions = {
      buildsDir: environment.buildsDir,
      shortToken: options.runner.shortToken,
      concurrentId: environment.concurrentId,
      projectPath: strategy === 'empty' ? `${path}-empty` : path,
      isOwn: environment.ownsBuildsDir === true,
      ...(options.clonePaths !== undefined && { clonePaths: options.clonePaths }),
    }
    this.#paths = buildPaths(pathsOptions)
    this.#variables = this.#resolve()
    // It may be made of what the paths are made of.
    const clonePath = this.setting('GIT_CLONE_PATH')
    if (clonePath !== '') {
      this.#paths = chosenPaths(pathsOptions, clonePath)
      this.#variables = this.#resolve()
    }
    const { runnerScripts = noRunnerScripts, cloneUrl } = options
    this.#sources = sourcesPlan(payload, strategy, this.#variables, runnerScripts, cloneUrl)
    const { helper } = environment
    this.isPreparedApart = helper !== undefined && (helper.prepares === 'everything' || this.#sources.git !== undefined)
    const scriptTimeout = this.#timeout('RUNNER_SCRIPT_TIMEOUT', undefined)
    const afterScriptTimeout = this.#timeout('RUNNER_AFTER_SCRIPT_TIMEOUT', 300_000)
    this.scriptTimeoutMs = scriptTimeout.timeoutMs
    this.afterScriptTimeoutMs = afterScriptTimeout.timeoutMs
    this.afterScriptIgnoresErrors = parseGoBool(this.setting('AFTER_SCRIPT_IGNORE_ERRORS')) ?? true
    this.hasAfterScript = this.#afterScript() !== undefined
    const shell = shellVariables(this.#variables.values())
    this.hasFiles = shell.files.length > 0
    this.warnings = [
      ...(isDebugTrace(options) ? [options.allowsDebugTrace === false ? debugTraceRefusal : debugTraceWarning] : []),
      ...warnings,
      ...this.#sources.warnings,
      ...scriptTimeout.warnings,
      ...afterScriptTimeout.warnings,
      ...shell.warnings,
    ]
    this.notes = { get_sources: sourcesNotes[strategy] }
  }

  get projectDir(): string {
    return this.#paths.projectDir
  }

  setting(key: string): string {
    return this.#variables.get(key)?.value.trim() ?? ''
  }

  expand(text: string): string {
    return this.#drawn(expand(text, (name) => this.#inserted(name)))
  }

  get jobEnvFile(): string {
    return jobEnvFile(this.#paths)
  }

  lateVariables(left: ReadonlyMap<string, string>): LateVariables {
    const effort = new ExpandEffort()
    return {
      expand: (text) => this.#drawn(shellExpand(text, (name) => left.get(name) ?? this.#inserted(name), effort)),
      setting: (key) => left.get(key)?.trim() ?? this.setting(key),
    }
  }

  /** The stages that the job's steps are, in order. */
  get stepStages(): readonly string[] {
    return this.#steps().map(({ name }) => name)
  }

  /** Prepares, gets the sources and runs the job's steps; cleans up unless an `after_script` is to come. */
  script(nonce: string): Buffer {
    return this.#generate(nonce, this.#variables, {
      prepare: this.#prepare,
      stages: this.#steps(),
      cleanUp: this.#cleanUpAfterSteps,
    })
  }

  /** The first half of {@link script}: prepares and gets the sources. */
  prepareScript(nonce: string): Buffer {
    return this.#generate(nonce, this.#variables, { prepare: this.#prepare, stages: [], cleanUp: false }, 'helper')
  }

  /** The second half of {@link script}. */
  stepsScript(nonce: string): Buffer {
    return this.#generate(nonce, this.#variables, { stages: this.#steps(), cleanUp: this.#cleanUpAfterSteps })
  }

  /** Runs `after_script` and cleans up. */
  afterScript(nonce: string, jobStatus: JobStatus): Buffer {
    const lines = this.#afterScript() ?? []
    const stages = [{ name: 'after_script', lines, takesJobEnv: true }]
    return this.#generate(nonce, this.#resolve(jobStatus), { stages, cleanUp: this.#lastCleanUp })
  }

  /** Only cleans up: for a job that was stopped. */
  cleanUp(nonce: string): Buffer {
    return this.#generate(nonce, this.#variables, { stages: [], cleanUp: true }, 'helper')
  }

  /** What masked variables come to on the machine. */
  maskedValues(directory: string): string[] {
    return [...this.#variables.values()]
      .filter((variable) => variable.masked)
      .map((variable) => variable.value.replaceAll(loginDirectory, directory))
  }

  #drawn(text: string): string {
    this.#budget.draw('characters', text.length, 'texts with variables in them')
    return text
  }

  #inserted(name: string): string {
    const variable = this.#variables.get(name)
    return variable === undefined ? '' : variable.file ? variableFile(this.#paths, name) : variable.value
  }

  get #cleanUpAfterSteps(): JobScriptOptions['cleanUp'] {
    return this.hasAfterScript ? false : this.#lastCleanUp
  }

  /** What the job leaves is named after what its steps leave in `GITLAB_ENV`. */
  get #lastCleanUp(): JobScriptOptions['cleanUp'] {
    const { artifacts, cache } = this.#options.payload
    return artifacts.length > 0 || cache.length > 0 ? 'but job env' : true
  }

  get #prepare(): NonNullable<JobScriptOptions['prepare']> {
    return { strategy: this.#strategy, git: this.#sources.git }
  }

  #steps(): ScriptStage[] {
    const { preBuild, postBuild } = this.#options.runnerScripts ?? noRunnerScripts
    const around = (lines: readonly string[]): readonly string[] => [
      ...(preBuild === '' ? [] : [preBuild]),
      ...lines,
      ...(postBuild === '' ? [] : [postBuild]),
    ]
    return this.#options.payload.steps
      .filter((step) => step.name !== 'after_script')
      .map(
        (step, index): ScriptStage => ({
          name: stageName(step.name),
          lines: around(step.name === 'release' ? this.#expandLines(step.script) : step.script),
          takesJobEnv: index > 0,
        }),
      )
      .filter((stage) => stage.lines.some((line) => line.trim() !== ''))
  }

  #generate(
    nonce: string,
    variables: ReadonlyMap<string, ResolvedVariable>,
    parts: Pick<JobScriptOptions, 'prepare' | 'stages' | 'cleanUp'>,
    place: JobPlace = 'job',
  ): Buffer {
    const { environment } = this.#options
    const helper = place === 'helper' ? environment.helper : undefined
    const options = {
      ...parts,
      nonce,
      jobMarker: environment.jobMarker,
      paths: this.#paths,
      home: environment.home,
      guardsLogin: environment.guardsLogin,
      opensFiles: helper?.opensFiles,
      opensDirectories: environment.helper?.opensFiles,
      readableFiles: environment.helper !== undefined,
      // Whatever users an image and its scripts have, the helper works for all.
      ignoresOwners: helper !== undefined,
      variables: shellVariables(variables.values()),
      debugTrace: isDebugTrace(this.#options) && this.#options.allowsDebugTrace !== false,
      scriptSections:
        this.#options.payload.features.trace_sections && parseGoBool(this.setting('FF_SCRIPT_SECTIONS')) === true,
    }
    const shell = helper?.shell ?? environment.shell
    return shell === 'pwsh' ? pwshScript(options) : jobScript({ ...options, shell })
  }

  #resolve(jobStatus?: JobStatus): Map<string, ResolvedVariable> {
    const { payload, environmentVariables, serverCertificates, clientCertificate, runner, environment } = this.#options
    const status = jobStatus === undefined ? {} : { jobStatus }
    const variables = jobVariables({
      payload,
      environmentVariables,
      serverCertificates,
      clientCertificate,
      runner,
      paths: this.#paths,
      concurrentId: environment.concurrentId,
      ...status,
    })
    return resolveVariables(variables, this.#paths)
  }

  #afterScript(): readonly string[] | undefined {
    return this.#options.payload.steps.find(
      (step) => step.name === 'after_script' && step.script.some((line) => line.trim() !== ''),
    )?.script
  }

  /**
   * GitLab's runner expands variables in the lines of a `release` step itself. What only the machine knows is left to
   * the shell.
   */
  #expandLines(lines: readonly string[]): string[] {
    const lookUp = (name: string): string => {
      const value = this.#variables.get(name)?.value ?? ''
      return value.includes(loginDirectory) ? `\${${name}}` : value
    }
    return lines.map((line) => this.#drawn(expand(line, lookUp)))
  }

  #timeout(
    key: string,
    byDefaultMs: number | undefined,
  ): { readonly timeoutMs: number | undefined; readonly warnings: readonly string[] } {
    const setting = this.setting(key)
    if (setting === '') return { timeoutMs: byDefaultMs, warnings: [] }
    const timeoutMs = parseGoDuration(setting)
    if (timeoutMs === undefined) {
      return {
        timeoutMs: byDefaultMs,
        warnings: [`${key}: expected a duration such as 1h30m, got ${JSON.stringify(setting)}; ignored`],
      }
    }
    return { timeoutMs: timeoutMs === 0 ? undefined : timeoutMs, warnings: [] }
  }
}

const debugTraceRefusal = 'CI_DEBUG_TRACE is ignored: this runner does not allow it (debug_trace_disabled)'

const debugTraceWarning =
  'CI_DEBUG_TRACE is on: commands are shown with the values of variables, and only masked ones are hidden. Turn it off if people who must not see them can read this log'

const sourcesNotes: Readonly<Record<GitStrategy, readonly string[]>> = {
  none: ['Skipping Git repository setup', 'Skipping Git checkout', 'Skipping Git submodules setup'],
  empty: ['Skipping Git repository setup and creating an empty build directory'],
  fetch: [],
  clone: [],
}

/** Names of sections hold only these characters. */
function stageName(step: string): string {
  return `step_${step.toLowerCase().replaceAll(/[^a-z0-9_.-]/g, '_')}`
}
