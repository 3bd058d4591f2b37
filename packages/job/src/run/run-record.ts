import type { Clock } from '../clock.ts'
import type { JobEnvironment } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import { ElapsedTime } from './elapsed-time.ts'
import type {
  FileStageCheckpoint,
  JobCheckpoint,
  OnCheckpoint,
  PastFailure,
  ScriptCheckpoint,
} from './job-checkpoint.ts'
import type { JobLog } from './job-log.ts'

export interface RunRecordOptions {
  readonly log: JobLog
  readonly clock: Clock
  readonly resume: JobCheckpoint | undefined
  readonly onCheckpoint: OnCheckpoint | undefined
}

/** How far a job has come, for whoever goes on with it. */
export class RunRecord {
  /** Wall time. */
  readonly begunAt: number
  /** How long the job has taken. */
  readonly elapsed: ElapsedTime
  /** Where what an earlier manager left had begun. */
  readonly goesOn: boolean
  /** Wall time at which the job's own script began. */
  scriptBegunAt: number | undefined
  readonly #options: RunRecordOptions
  readonly #scripts: ScriptCheckpoint[] = []
  readonly #fileStages: FileStageCheckpoint[] = []

  constructor(options: RunRecordOptions) {
    const { clock, resume } = options
    this.#options = options
    this.begunAt = resume?.startedAt ?? clock.wallTime()
    this.elapsed = new ElapsedTime(clock, resume === undefined ? 0 : knownElapsedMs(resume, clock))
    this.scriptBegunAt = resume?.scriptBegunAt
    this.goesOn = resume !== undefined && resume.scripts.length > 0
  }

  /** How long the job had taken at a time that its machine told: see `MachineTime`. */
  elapsedMsAt(wallTime: number): number {
    const [first] = this.#scripts
    return first === undefined ? wallTime - this.begunAt : this.#elapsedMsAtStart(first) + wallTime - first.startedAt
  }

  #elapsedMsAtStart({ elapsedMs, startedAt }: ScriptCheckpoint): number {
    return elapsedMs ?? Math.max(0, startedAt - this.begunAt)
  }

  /** How long the job had taken when the script that comes next was started; undefined when it was not. */
  get pastScriptElapsedMs(): number | undefined {
    return this.pastScript && this.#elapsedMsAtStart(this.pastScript)
  }

  /** What an earlier manager knew of the script that comes next. */
  get pastScript(): ScriptCheckpoint | undefined {
    return this.#options.resume?.scripts[this.#scripts.length]
  }

  /** How the stage that comes next ended under an earlier manager, if it did. */
  get pastFileStage(): FileStageCheckpoint | undefined {
    return this.#options.resume?.fileStages?.[this.#fileStages.length]
  }

  /** Whether a script of the job has begun in its place. */
  get hasBegun(): boolean {
    return this.#scripts.length > 0
  }

  begin(script: ScriptCheckpoint): void {
    this.#scripts.push(script)
  }

  /** Of the script that began last. */
  end(end: NonNullable<ScriptCheckpoint['end']>): void {
    this.#scripts.push({ ...this.#scripts.pop()!, end })
  }

  endFileStage(end: FileStageCheckpoint): void {
    this.#fileStages.push(end)
  }

  /** The job begins once more, elsewhere. */
  forget(): void {
    this.#scripts.length = 0
    this.#fileStages.length = 0
    this.scriptBegunAt = undefined
  }

  /** All is said about what was up to now. */
  async settle(): Promise<void> {
    const { log } = this.#options
    await log.flush()
    log.advance(1)
    log.commit()
  }

  keep(environment?: JobEnvironment): void | Promise<void> {
    return this.#options.onCheckpoint?.(() => this.#take(environment))
  }

  /** Resolves when the script that began last may be started. Rejects with the reason of `signal`. */
  async announce(environment: JobEnvironment, signal: AbortSignal): Promise<void> {
    const { log, onCheckpoint } = this.#options
    const report = (line: string): void => {
      log.line(line)
      void log.flush()
      log.commit()
    }
    await onCheckpoint?.(() => this.#take(environment), { signal, report })
  }

  #take(environment: JobEnvironment | undefined): JobCheckpoint {
    return {
      ...this.#options.log.record,
      startedAt: this.begunAt,
      elapsedMs: Math.round(this.elapsed.ms),
      ...(this.scriptBegunAt !== undefined && { scriptBegunAt: this.scriptBegunAt }),
      environment: environment?.handle ?? null,
      scripts: [...this.#scripts],
      ...(this.#fileStages.length > 0 && { fileStages: [...this.#fileStages] }),
    }
  }
}

/** What is certain before the machine is asked: time went on while nobody looked. */
function knownElapsedMs({ startedAt, elapsedMs, scripts }: JobCheckpoint, clock: Clock): number {
  if (elapsedMs !== undefined) return elapsedMs
  return Math.max(0, (scripts.at(-1)?.startedAt ?? clock.wallTime()) - startedAt)
}

export function plainFailure({ code, reason, message, exitCode }: JobError): PastFailure {
  return { code, reason, message, ...(exitCode !== undefined && { exitCode }) }
}

export function pastError({ code, reason, message, exitCode }: PastFailure): JobError {
  return new JobError(code, reason, message, exitCode === undefined ? {} : { exitCode })
}
