import { constants } from 'node:os'
import { EnvironmentError, type JobEnvironment, type ScriptEnd } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import type { JobStage } from '../job-stage.ts'
import { readDiskTrouble } from '../script/disk-trouble.ts'
import { MarkerFilter, type OutputPiece } from '../script/markers.ts'
import type { JobLog } from './job-log.ts'
import { stageTitle } from './stage-title.ts'

export interface ScriptProgressOptions {
  readonly nonce: string
  readonly log: JobLog
  readonly executor: string
  /** Where the script runs. */
  readonly machine: Pick<JobEnvironment, 'description' | 'buildsDir' | 'statusTerm'>
  /** The stage that is under way when the script starts. */
  readonly openStage?: JobStage
  /**
   * The stages that the script has. Each begins as often as it stands here: others were made up by a job that read the
   * script's nonce.
   */
  readonly stages: readonly string[]
  /** What the trace says when a stage begins, under its title. */
  readonly notes?: Readonly<Record<string, readonly string[]>>
  readonly onHost?: (name: string, directory: string) => void
  /** `at`: wall time, where the machine told it. */
  readonly onStage?: (stage: JobStage, at: number | undefined) => void
  /**
   * Wall time of something that happened in this script, from how long the machine had been up then; undefined where
   * that is none.
   */
  readonly timeOf?: (uptime: string | undefined) => number | undefined
}

/**
 * Follows one generated script by what it prints: passes its output to the log, opens and closes sections, and knows at
 * the end how it went.
 */
export class ScriptProgress {
  readonly #options: ScriptProgressOptions
  readonly #filter: MarkerFilter
  readonly #stages: string[]
  #stage: JobStage | undefined
  #isPlaced = false
  #status: number | undefined
  #failedCode: string | undefined
  /** Words of the marker `unwritable`. */
  #trouble: string | undefined
  #sweep: 'swept' | 'unswept' | undefined
  #hasJobEnv = false
  #isUnkept = false

  constructor(options: ScriptProgressOptions) {
    this.#options = options
    this.#filter = new MarkerFilter(options.nonce)
    this.#stage = options.openStage
    this.#stages = [...options.stages]
  }

  /** True once it is proven that the script left no process. */
  get isSwept(): boolean {
    return this.#sweep === 'swept'
  }

  /** True once the script came to its end, its own clean-up included. */
  get isComplete(): boolean {
    return this.#sweep !== undefined
  }

  /** True where what steps left in `GITLAB_ENV` was kept when the script cleaned up. */
  get hasJobEnv(): boolean {
    return this.#hasJobEnv
  }

  /** True where the job changed start-up files of its login for good. */
  get isUnkept(): boolean {
    return this.#isUnkept
  }

  /** Takes what the script printed. While the promise is pending, no more may come. */
  push(chunk: Buffer): void | Promise<void> {
    const pieces = this.#filter.push(chunk)
    const [only] = pieces
    if (only === undefined) return
    if (pieces.length === 1 && 'output' in only) {
      const pending = this.#options.log.output(only.output)
      this.#options.log.advance(only.output.length)
      this.#options.log.commit()
      return pending
    }
    return this.#take(pieces)
  }

  /** To be called when the script has ended, before anything else is said in the log. */
  async end(): Promise<void> {
    await this.#take(this.#filter.end())
    this.#options.log.end()
  }

  /** Undefined when all stages ended well; otherwise why the job failed. */
  failure(end: ScriptEnd): JobError | undefined {
    const stage = this.#stage
    const isOwnScript = stage !== undefined && stage !== 'prepare_script' && stage !== 'get_sources'
    // Without an `end` the shell around the script was ended: by the script itself, or by a machine short of memory.
    const status = this.#status ?? statusOf(end)
    if (status === 0) return undefined
    if (isOwnScript) {
      const { statusTerm = 'exit status' } = this.#options.machine
      return new JobError('script_failed', 'script_failure', `${statusTerm} ${status}`, { exitCode: status })
    }
    if (this.#status === undefined) {
      return new JobError(
        'shell_missing',
        'runner_system_failure',
        `the instance's shell could not run the job: it ended with ${describe(end)}`,
      )
    }
    const unwritable = this.#unwritable()
    if (unwritable !== undefined)
      return new JobError('machine_unwritable', 'runner_system_failure', unwritable.message, { cause: unwritable })
    if (this.#failedCode === 'git_missing') {
      return new JobError(
        'git_missing',
        'runner_system_failure',
        'git was not found on the instance, and the job needs its sources (not with GIT_STRATEGY: none)',
      )
    }
    if (stage === 'get_sources') {
      return new JobError(
        'sources_failed',
        'runner_system_failure',
        `getting the sources failed with exit status ${status}`,
      )
    }
    return new JobError('prepare_failed', 'runner_system_failure', 'the build directory could not be prepared')
  }

  /**
   * Why no job can do anything there, where a file could not be written before the job's own lines began. That it may
   * not be written there says nothing about the machine: it may be a mistake of the configuration.
   */
  #unwritable(): EnvironmentError | undefined {
    const { description, buildsDir } = this.#options.machine
    const trouble = this.#trouble === undefined ? undefined : readDiskTrouble(this.#trouble, buildsDir)
    if (trouble === undefined || !['no_space', 'quota', 'read_only'].includes(trouble.kind)) return undefined
    return new EnvironmentError('unwritable', `${description}: ${trouble.message}`, { isUntouched: true })
  }

  async #take(pieces: readonly OutputPiece[]): Promise<void> {
    const { log } = this.#options
    for (const piece of pieces) {
      if ('output' in piece) await log.output(piece.output)
      else this.#mark(piece.marker)
      log.advance('output' in piece ? piece.output.length : piece.size)
    }
    await log.flush()
    log.commit()
  }

  #mark(body: string): void {
    const [word, first = '', ...rest] = body.split(' ')
    const { log, onHost, timeOf } = this.#options
    switch (word) {
      case 'host':
        if (!this.#isPlaced) onHost?.(first, rest.join(' '))
        this.#isPlaced = true
        break
      case 'begin':
        this.#begin(first, timeOf?.(rest[0]))
        break
      case 'end':
        this.#status = /^\d{1,10}$/.test(first) ? Number(first) : 1
        log.end(timeOf?.(rest[0]))
        break
      case 'jobenv':
        this.#hasJobEnv = true
        break
      case 'failed':
        this.#failedCode = first
        break
      case 'unwritable':
        this.#trouble = [first, ...rest].join(' ')
        break
      case 'unkept':
        this.#isUnkept = true
        break
      case 'swept':
      case 'unswept':
        this.#sweep = word
        break
    }
  }

  #begin(name: string, at: number | undefined): void {
    const index = this.#stages.indexOf(name)
    if (index < 0) return
    this.#stages.splice(index, 1)
    const stage = name as JobStage
    const { log, executor, notes, onStage } = this.#options
    this.#stage = stage
    log.begin(stage, stageTitle(stage, executor), at)
    for (const note of notes?.[stage] ?? []) log.line(note)
    onStage?.(stage, at)
  }
}

/**
 * As a shell gives it: 128 and the signal's number for a process that a signal ended. Never 0 for one that did not say
 * itself that it succeeded.
 */
function statusOf(end: ScriptEnd): number {
  if ('exitCode' in end) return end.exitCode || 1
  const numbers: Readonly<Record<string, number>> = constants.signals
  return 128 + (numbers[`SIG${end.signal}`] ?? 0)
}

function describe(end: ScriptEnd): string {
  return 'exitCode' in end ? `exit status ${end.exitCode}` : `signal ${end.signal}`
}
