import { type BackoffCurve, backoffMs, type Clock, delay, type Logger, type Random } from '@runner-core/fleeting'
import type { JobOutcome, JobPayload, Trace } from '@runner-core/job'
import { JobApiError } from '../http/job-api-error.ts'
import type { JobApiClient } from '../job-api-client.ts'
import { isNotOurs, type JobReply, saysOver, statusError } from '../job-reply.ts'
import { outcomeUpdate } from './failure-reason.ts'
import { maxCorrections, type TraceUpload } from './trace-upload.ts'
import { defaultIntervalMs } from './upload-schedule.ts'

/** Whether the coordinator has taken the end of a job; if not, what it said or did last. */
export type Delivery = { readonly delivered: true } | { readonly delivered: false; readonly error: Error }

export interface DeliveryOptions {
  readonly client: Pick<JobApiClient, 'updateJob'>
  readonly job: Pick<JobPayload, 'id' | 'token' | 'features'>
  /** Ended. */
  readonly trace: Pick<Trace, 'size' | 'crc32'>
  readonly upload: TraceUpload
  readonly outcome: JobOutcome
  /** Whether the coordinator knows that we have the job: before that it takes neither trace nor end. */
  readonly isAccepted: boolean
  /** False: nothing is known of its trace. Default true. */
  readonly withTrace?: boolean
  /** Failures in a row after which no more is tried, ≥ 1. */
  readonly maxTries: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Times that the whole trace is sent again because its checksum is another on the server. */
const maxMismatches = 5
/**
 * From so many failures in a row on, the end is told without a trace that the server fails to take: a lost line is
 * better than a job that never ends.
 */
const maxTraceTries = 5
/** A server that works on a trace gives up after 5 minutes itself. */
const longestUnfinishedMs = 10 * 60_000
const tryCurve: BackoffCurve = { baseMs: 1_000, maxMs: 60 * 60_000 }

/**
 * Takes the job where that has failed so far, sends the rest of the trace, then how the job ended, until the server
 * says that it is done: while it still works on the trace (202) it is asked again, and when it has another checksum
 * (412) the trace is sent again from the start. A server that takes the trace in no way, or fails to for about a
 * quarter of a minute, still learns how the job ended.
 */
export async function deliverOutcome(options: DeliveryOptions, signal?: AbortSignal): Promise<Delivery> {
  const delivery = new OutcomeDelivery(options, signal)
  for (let failures = 0; ; ) {
    try {
      const delivered = await delivery.attempt({ isLastTry: failures + 1 >= options.maxTries })
      if (delivered) return delivered
      failures = 0
    } catch (error) {
      failures += 1
      if (failures >= options.maxTries || signal?.aborted) return { delivered: false, error: error as Error }
      options.logger.warn({ job: options.job.id, failures, error }, 'end of job not delivered yet')
      const askedMs = error instanceof JobApiError ? error.retryAfterMs : undefined
      await delay(options.clock, backoffMs(tryCurve, failures, options.random, askedMs), signal).catch(() => {})
    }
  }
}

/** The tries to tell the coordinator of one end; whoever makes them waits between them. */
export class OutcomeDelivery {
  readonly #options: DeliveryOptions
  readonly #signal: AbortSignal | undefined
  #isAccepted: boolean
  /**
   * False when the server does not take the trace: its checksum is left out then, and the server asks no more of it.
   */
  #withTrace: boolean
  /** In a row, while the server could be told of ends all the same as far as is known. */
  #traceFailures = 0
  #mismatches = 0
  #unfinishedSince: number | undefined

  constructor(options: DeliveryOptions, signal: AbortSignal | undefined) {
    this.#options = options
    this.#signal = signal
    this.#isAccepted = options.isAccepted
    this.#withTrace = options.withTrace ?? true
  }

  /** One update. Undefined: worth another at once. Rejects when it is worth another later. */
  async attempt({ isLastTry }: { readonly isLastTry: boolean }): Promise<Delivery | undefined> {
    const { client, job, outcome, trace, upload } = this.#options
    if (!this.#isAccepted) {
      const reply = await client.updateJob(job, { state: 'running' }, this.#signal)
      if (isNotOurs(reply)) return { delivered: false, error: statusError('accepting a job', reply) }
      if (reply.status !== 200 && reply.status !== 202) throw statusError('accepting a job', reply)
      this.#isAccepted = true
    }
    const withTrace = this.#withTrace && (await this.#sendTrace(isLastTry))
    const output = withTrace && upload.isWhole ? { output: { crc32: trace.crc32, bytes: trace.size } } : {}
    const reply = await client.updateJob(
      job,
      { ...outcomeUpdate(outcome, job.features.failure_reasons), ...output },
      this.#signal,
    )
    const refusal = (): JobApiError => statusError('end of the job', reply)
    switch (reply.status) {
      case 200:
        return { delivered: true }
      case 202:
        return await this.#waitForServer(reply)
      case 412:
        if (!this.#withTrace) return { delivered: false, error: refusal() }
        if (!withTrace) throw refusal()
        this.#startAgain()
        return undefined
      case 403:
        // It heard an earlier try whose answer was lost.
        if (reply.jobStatus === outcome.state) return { delivered: true }
        return { delivered: false, error: refusal() }
      case 400:
      case 404:
      case 409:
        return { delivered: false, error: refusal() }
      default:
        throw refusal()
    }
  }

  /**
   * False when the end must be told without the trace: the server will not take it, or it just fails to and this is the
   * last try, or the fifth in a row.
   */
  async #sendTrace(isLastTry: boolean): Promise<boolean> {
    const { upload, job, logger } = this.#options
    let isRefused = false
    try {
      await upload.end()
      for (let corrections = 0; upload.unsentBytes > 0; ) {
        const reply = await upload.sendPiece(this.#signal)
        const { status } = reply
        if (status === 416) corrections += 1
        isRefused = saysOver(reply) || refusals.includes(status)
        if (corrections > maxCorrections || (status !== 202 && status !== 416)) throw statusError('trace', reply)
      }
      this.#traceFailures = 0
      return true
    } catch (error) {
      if (this.#signal?.aborted) throw error
      const isFinal = !(error instanceof JobApiError) || isRefused
      this.#traceFailures += 1
      if (!isFinal && !isLastTry && this.#traceFailures < maxTraceTries) throw error
      // Where the end cannot be told either, it is not the trace that the server fails to take.
      this.#traceFailures = 0
      if (isFinal) this.#withTrace = false
      logger.error({ job: job.id, error }, 'end of job reported without the rest of its trace')
      return false
    }
  }

  async #waitForServer({ updateIntervalMs = defaultIntervalMs }: JobReply): Promise<Delivery | undefined> {
    const { clock } = this.#options
    this.#unfinishedSince ??= clock.now()
    if (clock.now() - this.#unfinishedSince >= longestUnfinishedMs) {
      return {
        delivered: false,
        error: new JobApiError('unfinished', 'end of the job: the coordinator has not processed its trace yet', {
          status: 202,
        }),
      }
    }
    await delay(clock, updateIntervalMs, this.#signal)
    return undefined
  }

  #startAgain(): void {
    const { upload, job, logger } = this.#options
    this.#mismatches += 1
    this.#withTrace = this.#mismatches <= maxMismatches
    upload.rewind()
    logger.warn({ job: job.id, mismatches: this.#mismatches }, 'trace differs on the coordinator')
  }
}

/**
 * Statuses that say that this trace will be refused again; others may pass: 401 and 403 may come from something on the
 * way.
 */
const refusals: readonly number[] = [400, 404, 413]
