import type { FileStage, FileStageLog } from '../files/file-stage.ts'
import type { JobBudget } from '../job-budget.ts'
import type { JobEnvironment } from '../job-environment.ts'
import type { JobError } from '../job-error.ts'
import { asJobError } from './as-job-error.ts'
import type { JobLog } from './job-log.ts'
import { pastError, plainFailure, type RunRecord } from './run-record.ts'
import { stageTitle } from './stage-title.ts'

export interface FileStageRunnerOptions {
  readonly log: JobLog
  readonly record: RunRecord
  readonly executor: string
  readonly budget: JobBudget
}

/**
 * Runs stages that move files, and says in the trace what they do.
 *
 * Each thing that is said moves the log's position on by one: so whoever does a stage again says nothing again that was
 * said.
 */
export class FileStageRunner {
  readonly #options: FileStageRunnerOptions

  constructor(options: FileStageRunnerOptions) {
    this.#options = options
  }

  /** One after the other, until one fails. Never rejects. */
  async run(
    stages: readonly FileStage[],
    environment: JobEnvironment,
    signal: AbortSignal,
  ): Promise<JobError | undefined> {
    for (const stage of stages) {
      const failure = await this.#runOne(stage, environment, signal)
      if (failure !== undefined) return failure
    }
    return undefined
  }

  async #runOne(stage: FileStage, environment: JobEnvironment, signal: AbortSignal): Promise<JobError | undefined> {
    const { name } = stage
    const { log, record, executor, budget } = this.#options
    const past = record.pastFileStage
    let events = 0
    const settle = async (): Promise<void> => {
      events += 1
      await record.settle()
    }
    const said =
      (say: keyof FileStageLog): ((text: string) => Promise<void>) =>
      (text) => {
        log[say](text)
        return settle()
      }
    let failure: JobError | undefined
    log.begin(name, stageTitle(name, executor))
    if (past === undefined) {
      await settle()
      const stageLog: FileStageLog = { line: said('line'), warning: said('warning'), error: said('error') }
      failure = await stage.run({ environment, log: stageLog, signal, budget }).then(() => undefined, asJobError)
      log.end()
      await settle()
    } else {
      events = past.events
      failure = past.failure && pastError(past.failure)
      await log.flush()
      log.advance(events)
      log.commit()
      log.end()
    }
    record.endFileStage({ events, ...(failure !== undefined && { failure: plainFailure(failure) }) })
    if (past === undefined) await record.keep(environment)
    return failure
  }
}
