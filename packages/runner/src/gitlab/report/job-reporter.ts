import {
  type CancelTimer,
  type Clock,
  delay,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
} from '@runner-core/fleeting'
import type { JobOutcome, JobPayload, Trace, TraceAuthor } from '@runner-core/job'
import { JobApiError } from '../http/job-api-error.ts'
import type { JobApiClient } from '../job-api-client.ts'
import { isNotOurs, type JobReply, saysOver, statusError } from '../job-reply.ts'
import { type Delivery, deliverOutcome } from './deliver-outcome.ts'
import { JobAbort, type JobAbortCode } from './job-abort.ts'
import { maxCorrections, pieceBytes, type SentTrace, TraceUpload } from './trace-upload.ts'
import { UploadSchedule } from './upload-schedule.ts'

export interface JobReporterOptions {
  readonly client: Pick<JobApiClient, 'updateJob' | 'patchTrace'>
  readonly job: Pick<JobPayload, 'id' | 'token' | 'features'>
  readonly trace: Pick<Trace, 'size' | 'crc32' | 'read' | 'onGrow' | 'end'>
  /** Whether the job asked for debug output: GitLab then shows its trace to developers only. Default false. */
  readonly isDebugTrace?: boolean
  /** What an earlier manager has sent of the trace, which is made again from its beginning. Default: nothing. */
  readonly sent?: SentTrace | undefined
  /**
   * Awaited before a piece of the trace is sent while the job runs, with what is there by now and no more. Must not
   * reject.
   */
  readonly beforePiece?: () => Promise<void>
  /** Called when the coordinator has taken a piece of the trace. Must not throw. */
  readonly onSent?: (sent: SentTrace) => void
  /** Tries to deliver the end of the job while the coordinator fails, ≥ 1. Default 10, which is about 17 minutes. */
  readonly finalUpdateRetryLimit?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/** About a minute in all: half of the time after which a server hands a job out again that nobody took. */
const maxAcceptTries = 8
const firstAcceptWaitMs = 500

/**
 * Speaks to the coordinator for one job: takes the job, sends its trace as it grows, learns of its cancellation, and
 * delivers its end. One request at a time; {@link UploadSchedule} says when.
 */
export class JobReporter {
  readonly #options: JobReporterOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #upload: TraceUpload
  readonly #schedule: UploadSchedule
  readonly #canceling = new AbortController()
  readonly #aborted = new AbortController()
  /** Cuts what is under way when {@link finish} is told to hurry. */
  readonly #hurry = new AbortController()
  readonly #stopListening: () => void
  #isLive = false
  #isAccepted = false
  /** Times in a row that the server has just corrected where the next piece begins. */
  #corrections = 0
  #contact: Promise<void> | undefined
  #cancelTimer: CancelTimer = () => {}
  #timerAt = Number.POSITIVE_INFINITY

  constructor(options: JobReporterOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#upload = new TraceUpload(options.client, options.job, options.trace, {
      isDebugTrace: options.isDebugTrace ?? false,
      sent: options.sent,
      onSent: options.onSent,
      onMismatch: () => this.#logger.warn({ job: options.job.id }, 'rebuilt trace differs from what was sent'),
    })
    this.#schedule = new UploadSchedule(this.#clock.now())
    this.#stopListening = options.trace.onGrow((author) => this.#grew(author))
  }

  /**
   * Aborted, with a {@link JobAbort}, when the job was canceled: its script must end, its `after_script` may still run.
   */
  get canceling(): AbortSignal {
    return this.#canceling.signal
  }

  /** Aborted, with a {@link JobAbort}, when nobody wants the job's result any more: everything must end at once. */
  get aborted(): AbortSignal {
    return this.#aborted.signal
  }

  /**
   * Tells the coordinator that the job runs, which with two-phase commit is what takes the job. `gone`: somebody else
   * has it, or nobody wants it; no more must be said about it. Rejects with a {@link JobApiError} when the coordinator
   * fails for a minute, and with the signal's reason.
   */
  async accept(signal?: AbortSignal): Promise<'accepted' | 'gone'> {
    const reply = await this.#announceRunning(signal)
    this.#heed(reply)
    if (reply.status >= 400 || this.aborted.aborted) {
      this.#stopListening()
      return 'gone'
    }
    this.#isLive = true
    this.#isAccepted = true
    this.#arm()
    return 'accepted'
  }

  /**
   * Sends what the trace has now, whatever the interval: for lines that somebody waits for. Use it rarely: servers
   * allow 200 requests a minute per job.
   */
  flushNow(): void {
    this.#schedule.flush(this.#clock.now())
    this.#arm()
  }

  /**
   * Ends the trace and delivers it, and how the job ended, to the coordinator, also when {@link accept} has failed.
   * Never rejects. Gives up after {@link JobReporterOptions.finalUpdateRetryLimit} failures in a row, when `signal`
   * aborts, and after one try where the job was aborted.
   */
  async finish(outcome: JobOutcome, signal?: AbortSignal): Promise<Delivery> {
    this.#isLive = false
    this.#cancelTimer()
    this.#stopListening()
    this.#options.trace.end()
    const hurry = (): void => this.#hurry.abort(signal?.reason)
    if (signal?.aborted) hurry()
    signal?.addEventListener('abort', hurry, { once: true })
    await this.#contact
    signal?.removeEventListener('abort', hurry)
    const { client, job, trace, finalUpdateRetryLimit = 10, random = Math.random } = this.#options
    const { aborted, reason } = this.aborted
    if (aborted && (reason as JobAbort).code === 'refused') return { delivered: false, error: reason as JobAbort }
    const maxTries = aborted ? 1 : finalUpdateRetryLimit
    return await deliverOutcome(
      {
        client,
        job,
        trace,
        upload: this.#upload,
        outcome,
        isAccepted: this.#isAccepted,
        maxTries,
        clock: this.#clock,
        random,
        logger: this.#logger,
      },
      signal,
    )
  }

  async #announceRunning(signal?: AbortSignal): Promise<JobReply> {
    const { client, job } = this.#options
    for (let tries = 1; ; tries++) {
      let failure: JobApiError
      try {
        const reply = await client.updateJob(job, { state: 'running' }, signal)
        if (reply.status === 200 || reply.status === 202 || isNotOurs(reply)) return reply
        failure = statusError('accepting a job', reply)
      } catch (error) {
        if (!(error instanceof JobApiError)) throw error
        failure = error
      }
      if (tries === maxAcceptTries) throw failure
      await delay(this.#clock, Math.max(firstAcceptWaitMs * 2 ** (tries - 1), failure.retryAfterMs ?? 0), signal)
    }
  }

  #grew(author: TraceAuthor): void {
    this.#schedule.grew(author, this.#clock.now())
    this.#arm()
  }

  /** Sets the timer for what comes next, unless an earlier one is set. */
  #arm(): void {
    if (!this.#isLive || this.#contact) return
    const at = this.#nextAt()
    if (at >= this.#timerAt) return
    this.#cancelTimer()
    this.#timerAt = at
    this.#cancelTimer = this.#clock.after(Math.max(at - this.#clock.now(), 0), () => this.#onTimer())
  }

  #nextAt(): number {
    return this.#schedule.nextAt({ hasUnsent: this.#upload.unsentBytes > 0 })
  }

  #onTimer(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    // What the timer was set for may have become less urgent; timers come up to a millisecond early.
    if (this.#nextAt() < this.#clock.now() + 1) {
      this.#contact = this.#speak().finally(() => {
        this.#contact = undefined
        this.#arm()
      })
    } else this.#arm()
  }

  /** Sends a piece of trace if there is one, else a sign of life. */
  async #speak(): Promise<void> {
    const { client, job, trace, beforePiece } = this.#options
    const upload = this.#upload
    const isPiece = upload.unsentBytes > 0
    const { size } = trace
    if (isPiece) {
      await beforePiece?.()
      if (this.#hurry.signal.aborted) return
      this.#schedule.pieceStarts(this.#clock.now())
    }
    try {
      const reply = isPiece
        ? await upload.sendPiece(this.#hurry.signal, size)
        : await client.updateJob(job, { state: 'running' }, this.#hurry.signal)
      this.#heed(reply)
      if (isPiece ? saysOver(reply) : isRefusal(reply)) this.#abort('refused')
      else if (isPiece && reply.status === 403) await this.#askWhetherOurs()
      this.#corrections = reply.status === 416 ? this.#corrections + 1 : 0
      const isCorrected = this.#corrections > 0 && this.#corrections <= maxCorrections
      if (reply.status >= 300 && !isCorrected) throw statusError(isPiece ? 'trace' : 'sign of life', reply)
      this.#schedule.contacted(this.#clock.now(), {
        unsentBytes: upload.unsentBytes,
        isFull: upload.unsentBytes >= pieceBytes,
      })
      if (isCorrected) this.#schedule.flush(this.#clock.now())
    } catch (error) {
      this.#corrections = 0
      this.#logger.warn({ job: job.id, error }, 'coordinator did not accept an update')
      this.#schedule.failed(this.#clock.now(), error instanceof JobApiError ? error.retryAfterMs : undefined)
    }
  }

  /** A piece of trace was refused, which may be no word about the job: an update of its state tells. */
  async #askWhetherOurs(): Promise<void> {
    const reply = await this.#options.client.updateJob(this.#options.job, { state: 'running' }, this.#hurry.signal)
    this.#heed(reply)
    if (isRefusal(reply)) this.#abort('refused')
  }

  /** What any answer says beside its status. */
  #heed({ jobStatus, updateIntervalMs }: JobReply): void {
    if (updateIntervalMs !== undefined) this.#schedule.setInterval(updateIntervalMs)
    if (jobStatus === 'canceled') this.#abort('canceled')
    else if (jobStatus === 'failed') this.#abort('dropped')
    else if (jobStatus === 'canceling') this.#canceling.abort(new JobAbort('canceling'))
  }

  #abort(code: JobAbortCode): void {
    if (this.#aborted.signal.aborted) return
    this.#isLive = false
    this.#aborted.abort(new JobAbort(code))
  }
}

/** True when an update of a job that was accepted says that it is not ours any more. */
function isRefusal({ status }: JobReply): boolean {
  return status === 403 || status === 404
}
