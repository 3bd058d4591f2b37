import type { Clock, Logger } from '@runner-core/fleeting'
import {
  type JobEnvironment,
  JobError,
  type JobOutcome,
  type JobPayload,
  type JobStage,
  type RunnerIdentity,
  runJob,
  secretsOf,
  Trace,
} from '@runner-core/job'
import type { InstanceExecutor, PreparedInstance } from '@runner-core/runner-instance-executor'
import type { Reservation } from '@runner-core/taskscaler'
import type { RunnerSettings } from './config/settings.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import { JobApiError } from './gitlab/job-api-error.ts'
import { isNotOurs } from './gitlab/job-reply.ts'
import { JobReporter } from './gitlab/job-reporter.ts'
import type { JobPhase } from './metrics/job-progress.ts'

export interface HandledJobOptions {
  readonly job: JobPayload
  readonly reservation: Reservation
  readonly settings: RunnerSettings
  readonly client: JobApiClient
  readonly executor: InstanceExecutor
  readonly identity: RunnerIdentity
  /** The coordinator knows that we have the job. */
  readonly onAccepted: () => void
  readonly onPhase: (phase: JobPhase) => void
  /** Undefined: the stage under way has ended, and none follows at once. */
  readonly onStage: (stage: JobStage | undefined) => void
  /** Why there is no slot yet. */
  readonly onWait: (why: string) => void
  readonly onPlaced: (prepared: PreparedInstance) => void
  readonly onSlotFree: () => void
  readonly clock: Clock
  readonly logger: Logger
}

/** How a job left us: with an outcome that the coordinator knows or not, or `gone` because somebody else has it or nobody wants it. */
export type JobEnd = { readonly outcome: JobOutcome; readonly isReported: boolean } | 'gone'

/** One job from being handed out to its end being reported. */
export class HandledJob {
  readonly #options: HandledJobOptions
  readonly #trace: Trace
  readonly #reporter: JobReporter
  readonly #abort = new AbortController()
  readonly #abandon = new AbortController()
  #prepared: PreparedInstance | undefined
  #isGivenBack = false

  constructor(options: HandledJobOptions) {
    const { job, client, settings, clock, logger } = options
    this.#options = options
    this.#trace = new Trace({
      secrets: secretsOf(job),
      tokenPrefixes: job.features.token_mask_prefixes,
      limitBytes: settings.outputLimitBytes,
    })
    this.#reporter = new JobReporter({
      client,
      job,
      trace: this.#trace,
      isDebugTrace: isDebugTrace(job),
      finalUpdateRetryLimit: settings.finalUpdateRetryLimit,
      clock,
      logger,
    })
    const { aborted } = this.#reporter
    aborted.addEventListener('abort', () => this.#abort.abort(aborted.reason), { once: true })
  }

  /** Ends the job now; it is reported as interrupted. */
  interrupt(): void {
    this.#abort.abort(new JobError('interrupted', 'runner_interrupted', 'the runner was stopped'))
  }

  /** Waits for nothing more: neither for the job's end on its machine nor for the coordinator. */
  abandon(): void {
    this.interrupt()
    this.#abandon.abort(new Error('the runner does not wait any longer'))
  }

  /** Gives the reservation back, whatever happens. When the coordinator could not be told in time that we have the job, the job has failed, and that is told later. */
  async run(): Promise<JobEnd> {
    // Asked while a place is made ready: only the job's own commands have to wait for the answer.
    const accepted = this.#accept()
    try {
      const outcome = await this.#unlessAbandoned(this.#runJob(accepted))
      await this.#giveBack()
      const answer = await accepted
      if (answer === 'gone') return 'gone'
      this.#options.onPhase('finished')
      const delivery = await this.#reporter.finish(outcome, this.#abandon.signal)
      if (answer === 'failed' && !delivery.delivered && delivery.error instanceof JobApiError && isNotOurs(delivery.error)) return 'gone'
      // Whoever called the job off knows its end.
      return { outcome, isReported: delivery.delivered || this.#reporter.aborted.aborted }
    } finally {
      await this.#giveBack()
      this.#prepared?.wipe()
      await this.#trace.close()
    }
  }

  async #accept(): Promise<'accepted' | 'gone' | 'failed'> {
    try {
      const answer = await this.#reporter.accept(this.#abandon.signal)
      if (answer === 'gone') this.#abort.abort(new JobError('canceled', 'job_canceled', 'the job is not ours'))
      else this.#options.onAccepted()
      return answer
    } catch (error) {
      this.#options.logger.warn({ error }, 'job not accepted')
      const message = 'the coordinator could not be told that the job was taken'
      this.#abort.abort(new JobError('internal', 'runner_system_failure', message, { cause: error }))
      return 'failed'
    }
  }

  #runJob(accepted: Promise<unknown>): Promise<JobOutcome> {
    const { job, reservation, settings, executor, identity, onPhase, onStage, onWait, onPlaced, clock } = this.#options
    return runJob({
      payload: job,
      prepare: async (write, signal): Promise<JobEnvironment> => {
        const report = (line: string): void => {
          write(line)
          onWait(line)
          // Nothing else may come for minutes, and it says why. Before the job is accepted this only makes it the first thing to be sent.
          this.#reporter.flushNow()
        }
        const lost = this.#prepared
        await lost?.release()
        lost?.wipe()
        const prepared = await executor.prepare(reservation, { report, signal, again: lost !== undefined })
        onPlaced(prepared)
        if (this.#isGivenBack) await prepared.release()
        else this.#prepared = prepared
        this.#endWith(prepared)
        await accepted
        signal.throwIfAborted()
        onPhase('running')
        return prepared.environment
      },
      trace: this.#trace,
      clock,
      canceling: this.#reporter.canceling,
      abort: this.#abort.signal,
      runner: identity,
      environmentVariables: settings.environment,
      onStage,
    })
  }

  /** The cloud takes the job's machine away: what is left of its time is for ending the job in order, so that GitLab may have it run again. */
  #endWith(prepared: PreparedInstance): void {
    const { ending } = prepared
    const end = (): void => {
      const { message } = ending.reason as Error
      if (this.#prepared === prepared)
        this.#abort.abort(new JobError('interrupted', 'runner_interrupted', message, { cause: ending.reason }))
    }
    if (ending.aborted) end()
    else ending.addEventListener('abort', end, { once: true })
  }

  #unlessAbandoned(outcome: Promise<JobOutcome>): Promise<JobOutcome> {
    const { signal } = this.#abandon
    const abandoned = new Promise<JobOutcome>((resolve) => {
      const message = 'the runner was stopped'
      signal.addEventListener('abort', () => resolve({ state: 'failed', reason: 'runner_interrupted', message }), { once: true })
    })
    return Promise.race([outcome, abandoned])
  }

  /** The slot goes to the next job before the coordinator is told about this one. Idempotent. */
  async #giveBack(): Promise<void> {
    if (this.#isGivenBack) return
    this.#isGivenBack = true
    await this.#prepared?.release()
    this.#options.reservation[Symbol.dispose]()
    this.#options.onSlotFree()
  }
}

/** GitLab shows the trace of a job that asks for debug output to developers only. */
function isDebugTrace({ variables }: JobPayload): boolean {
  return variables.findLast(({ key }) => key === 'CI_DEBUG_TRACE')?.value === 'true'
}
