// A GitLab Runner as its custom executor's driver sees it: the calls, their order, environment, files and signals of
// GitLab Runner's custom executor. No part of it knows what is behind the driver.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ansiQuote, shown, stockScript } from './stock-script.ts'

export interface StockRunnerOptions {
  /** The driver's command line up to the call's name; each call is one of its arguments, with options after it. */
  readonly driver: readonly string[]
  readonly driverOptions: readonly string[]
  /** Whole command lines of calls, in place of the above. */
  readonly commands?: Readonly<Record<string, readonly string[]>>
  /** `config_exec` and so on say less where they are not set. */
  readonly exec?: Partial<Record<'config' | 'cleanup', false>>
  /** Where its temporary directories are. */
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  readonly gracefulKillMs?: number
  readonly prepareRetryMs?: number
}

export interface StockJob {
  readonly id: number
  readonly script: readonly string[]
  readonly afterScript?: readonly string[]
  readonly variables?: Readonly<Record<string, string>>
  readonly artifacts?: readonly string[]
  /** Default: `subshell`. */
  readonly evaluation?: 'subshell' | 'pipeline'
}

export interface StockCall {
  readonly name: string
  readonly stage?: string
  readonly code: number | string
  readonly ms: number
}

export interface StockResult {
  readonly state: 'success' | 'failed' | 'canceled'
  readonly reason?: 'script_failure' | 'runner_system_failure'
  readonly exitCode?: number
  readonly log: string
  readonly calls: readonly StockCall[]
}

interface DriverConfig {
  readonly builds_dir?: string
  readonly cache_dir?: string
  readonly job_env?: Readonly<Record<string, string>>
}

/** A job under way. */
export class StockRun {
  readonly calls: StockCall[] = []
  log = ''
  child: ChildProcess | undefined
  isCanceled = false
  readonly result: Promise<StockResult>
  readonly #options: StockRunnerOptions
  readonly #job: StockJob
  #config: DriverConfig = {}
  #onCancel = (): void => {}
  #onLog = (): void => {}

  constructor(options: StockRunnerOptions, job: StockJob) {
    this.#options = options
    this.#job = job
    this.result = this.#run()
  }

  /** As GitLab's cancel: no stage follows but the clean-up. */
  cancel(): void {
    this.isCanceled = true
    this.#onCancel()
  }

  /** Resolves once the log holds `text`. */
  async says(text: string): Promise<void> {
    while (!this.log.includes(text)) await new Promise<void>((resolve) => (this.#onLog = resolve))
  }

  async #run(): Promise<StockResult> {
    const { calls } = this
    for (let attempt = 1; ; attempt += 1) {
      const tmp = mkdtempSync(join(this.#options.directory, 'custom-executor'))
      const failure = await this.#prepare(tmp)
      if (failure === undefined) {
        const result = await this.#stages(tmp)
        await this.#cleanUp(tmp)
        return { ...result, log: this.log, calls }
      }
      await this.#cleanUp(tmp)
      if (this.isCanceled) return { state: 'canceled', log: this.log, calls }
      if (failure === 1 || attempt === 3)
        return {
          state: 'failed',
          reason: failure === 1 ? 'script_failure' : 'runner_system_failure',
          log: this.log,
          calls,
        }
      await new Promise((resolve) => setTimeout(resolve, this.#options.prepareRetryMs ?? 3000))
    }
  }

  async #prepare(tmp: string): Promise<number | string | undefined> {
    const { id, script } = this.#job
    this.#config = {}
    writeFileSync(
      join(tmp, 'response.json'),
      JSON.stringify({
        id,
        token: `glcbt-${id}`,
        job_info: { id, project_id: 1, name: 'job' },
        steps: [{ name: 'script', script }],
      }),
      { mode: 0o600 },
    )
    if (this.#options.exec?.config !== false) {
      let json = ''
      const code = await this.#call(tmp, 'config', [], (text) => (json += text))
      if (code !== 0) return code
      if (json.trim() !== '') this.#config = JSON.parse(json) as DriverConfig
    }
    const code = await this.#call(tmp, 'prepare', [])
    return code === 0 ? undefined : code
  }

  async #stages(tmp: string): Promise<Pick<StockResult, 'state' | 'reason' | 'exitCode'>> {
    const { artifacts, script, afterScript, variables = {}, id, evaluation } = this.#job
    const project = `${this.#config.builds_dir ?? 'builds'}/group/project`
    const exports = Object.entries({ CI: 'true', CI_JOB_ID: String(id), CI_PROJECT_DIR: project, ...variables }).map(
      ([name, value]) => `export ${name}=${ansiQuote(value)}`,
    )
    const inProject = (lines: readonly string[]): string =>
      stockScript([...exports, `cd ${ansiQuote(project)}`, ...lines], evaluation)
    const upload = (when: string): string =>
      inProject([
        'if ! command -v gitlab-runner >/dev/null; then echo "Missing gitlab-runner. Uploading artifacts is disabled."; exit 0; fi',
        `gitlab-runner artifacts-uploader --url http://127.0.0.1/ --token glcbt-${id} --id ${id} --when ${when} ${(artifacts ?? []).map((path) => `--path ${ansiQuote(path)}`).join(' ')}`,
      ])
    let exitCode = 1
    const run = async (stage: string, text: string): Promise<number | string> => {
      if (this.isCanceled) return 'canceled'
      const directory = mkdtempSync(join(tmp, 'script'))
      const file = join(directory, 'script')
      writeFileSync(file, text, { mode: 0o700 })
      const code = await this.#call(tmp, 'run', [file, stage])
      if (stage === 'build_script' && code === 1) exitCode = readExitCode(join(tmp, 'build_exit_code'))
      return code
    }
    let code = await run('prepare_script', stockScript(['echo "Running on $(hostname) via $USER..."']))
    if (code === 0)
      code = await run(
        'get_sources',
        stockScript([...exports, `mkdir -p ${ansiQuote(project)}`, 'echo "Skipping Git repository setup"']),
      )
    if (code === 0) {
      code = await run('build_script', inProject(script.flatMap(shown)))
      if (!this.isCanceled && afterScript !== undefined)
        await run('after_script', inProject(afterScript.flatMap(shown)))
      if (artifacts !== undefined)
        await run(
          code === 0 ? 'upload_artifacts_on_success' : 'upload_artifacts_on_failure',
          upload(code === 0 ? 'on_success' : 'on_failure'),
        )
      await run('cleanup_file_variables', stockScript([`rm -r -f ${ansiQuote(`${project}.tmp`)}`]))
    }
    if (this.isCanceled) return { state: 'canceled' }
    if (code === 0) return { state: 'success' }
    if (code !== 1) return { state: 'failed', reason: 'runner_system_failure' }
    return { state: 'failed', reason: 'script_failure', exitCode }
  }

  /** Has time of its own: it runs after a cancel too. */
  async #cleanUp(tmp: string): Promise<void> {
    if (this.#options.exec?.cleanup !== false) await this.#call(tmp, 'cleanup', [], undefined, false)
    rmSync(tmp, { recursive: true, force: true })
  }

  async #call(
    tmp: string,
    name: string,
    words: readonly string[],
    onJson?: (text: string) => void,
    isStoppable = true,
  ): Promise<number | string> {
    const { driver, driverOptions, commands, env, gracefulKillMs = 600_000 } = this.#options
    const [program, ...before] = [...(commands?.[name] ?? [...driver, name, ...driverOptions]), ...words] as [
      string,
      ...string[],
    ]
    const startedAt = performance.now()
    mkdirSync(tmp, { recursive: true })
    const child = spawn(program, before, {
      cwd: tmp,
      detached: true, // A process group of its own.
      env: {
        ...env,
        TMPDIR: tmp,
        BUILD_FAILURE_EXIT_CODE: '1',
        SYSTEM_FAILURE_EXIT_CODE: '2',
        BUILD_EXIT_CODE_FILE: join(tmp, 'build_exit_code'),
        JOB_RESPONSE_FILE: join(tmp, 'response.json'),
        ...this.#config.job_env,
        CUSTOM_ENV_CI: 'true',
        CUSTOM_ENV_CI_JOB_ID: String(this.#job.id),
        CUSTOM_ENV_CI_JOB_SERVICES: '',
        ...Object.fromEntries(
          Object.entries(this.#job.variables ?? {}).map(([key, value]) => [`CUSTOM_ENV_${key}`, value]),
        ),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child = child
    const log = (chunk: Buffer): void => {
      if (name !== 'cleanup') this.log += chunk.toString()
      this.#onLog()
    }
    child.stdout.on('data', onJson === undefined ? log : (chunk: Buffer) => onJson(chunk.toString()))
    child.stderr.on('data', log)
    const kill = (signal: NodeJS.Signals): void => {
      try {
        process.kill(-child.pid!, signal)
      } catch {
        // It has ended meanwhile.
      }
    }
    let killTimer: NodeJS.Timeout | undefined
    this.#onCancel = () => {
      if (!isStoppable) return
      kill('SIGTERM')
      killTimer = setTimeout(kill, gracefulKillMs, 'SIGKILL')
    }
    if (this.isCanceled) this.#onCancel()
    const code = await new Promise<number | string>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (exit, signal) => resolve(exit ?? (signal as string)))
    })
    clearTimeout(killTimer)
    this.#onCancel = () => {}
    this.calls.push({
      name,
      ...(name === 'run' && { stage: words[1] as string }),
      code,
      ms: performance.now() - startedAt,
    })
    return code
  }
}

/** The first line, where the driver left one. */
function readExitCode(file: string): number {
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 1
}
