import {
  type BackoffCurve,
  backoffMs,
  type Clock,
  delay,
  type Logger,
  loggedSeconds,
  type Random,
  TaskQueue,
} from '@runner-core/fleeting'
import { type JsonValue, StateError } from '@runner-core/fleeting/state'
import type { JobOutcome, JobPayload, Trace } from '@runner-core/job'
import { JobApiError } from '../gitlab/http/job-api-error.ts'
import type { JobApiClient } from '../gitlab/job-api-client.ts'
import { isNotOurs } from '../gitlab/job-reply.ts'
import { type Delivery, OutcomeDelivery } from '../gitlab/report/deliver-outcome.ts'
import { TraceUpload } from '../gitlab/report/trace-upload.ts'
import type { JobJournal } from '../state/job-journal.ts'
import { type KeptEnd, KeptTrace } from '../state/kept-end.ts'
import type { KeptTails, ReadBytes } from '../state/kept-tails.ts'

export interface EndOutboxOptions {
  readonly client: Pick<JobApiClient, 'updateJob' | 'patchTrace'>
  /** Where ends are kept for the next process; absent: they end with this one. */
  readonly journal?: Pick<JobJournal, 'note' | 'ended' | 'settled'> | undefined
  /** Where the longer rests of traces are kept. Absent: in memory. */
  readonly tails?: KeptTails | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** A job that has ended, and whose trace can still be read. */
export interface EndedJob {
  readonly job: JobPayload
  readonly outcome: JobOutcome
  readonly trace: Pick<Trace, 'size' | 'crc32' | 'read'>
  /** What the coordinator has of it. */
  readonly sentBytes: number
}

interface Waiting {
  readonly job: JobPayload
  readonly end: KeptEnd
  /** The tail, where it is in memory. */
  memory: Buffer | undefined
  readonly since: number
}

/** What stands in the record itself: most jobs have less left to send. */
const recordBytes = 32 * 1024
/**
 * Of all tails in memory, and how many ends wait there without a journal. Beyond that the oldest lose their tails, then
 * the oldest are given up.
 */
const memoryLimitBytes = 64 * 1024 * 1024
const memoryLimitEnds = 1_000
const tryCurve: BackoffCurve = { baseMs: 1_000, maxMs: 60_000 }
/** Ends that are told at the same time. */
const atOnce = 4
/** From one line about an end that still waits to the next. */
const saidMs = 600_000

/**
 * Ends of jobs that the coordinator has not taken at once: kept, and told until it takes them or says that they are not
 * ours. Holds neither a slot nor a place in `concurrent`, and needs no fleet.
 */
export class EndOutbox {
  readonly #options: EndOutboxOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #attempts = new TaskQueue(atOnce)
  readonly #stop = new AbortController()
  /** Ends those waits for the next try. */
  readonly #pauses = new Set<AbortController>()
  readonly #telling = new Set<Promise<void>>()
  /** By job, files of ends that are kept and not told yet. */
  readonly #files = new Map<number, string>()
  #isStopping = false
  #givenUp = 0

  constructor(options: EndOutboxOptions) {
    this.#options = options
  }

  /** Ends that wait. */
  get count(): number {
    return this.#waiting.size
  }

  /** How long the oldest waits, milliseconds; 0 where none does. */
  get oldestMs(): number {
    const [oldest] = this.#waiting.values()
    return oldest === undefined ? 0 : this.#options.clock.now() - oldest.since
  }

  /** Ends that the coordinator does not know: those that wait, and those given up. */
  get untold(): number {
    return this.#waiting.size + this.#givenUp
  }

  /**
   * Keeps how a job ended for the next process, before its slot is given back: from then on nobody could go on with it.
   * Never rejects: what the disk does not take is only told by this one. Undefined where nothing outlives the process.
   */
  async keep(ended: EndedJob): Promise<KeptEnd | undefined> {
    const { journal, logger } = this.#options
    if (journal === undefined) return undefined
    const { job } = ended
    const end = withoutTail(ended)
    try {
      const kept = { ...end, ...(await this.#keepTail(ended)) }
      journal.note(job.id, 'end', kept as unknown as JsonValue)
      return kept
    } catch (error) {
      logger.warn({ job: job.id, error }, 'end of a job kept without the rest of its log')
      journal.note(job.id, 'end', end as unknown as JsonValue)
      return undefined
    }
  }

  /** Resolves once the next process would know of every end that was kept until now. Rejects with `FencedError`. */
  async settled(): Promise<void> {
    await this.#options.journal?.settled()
  }

  /** The coordinator knows the end of a job, or does not want to. */
  told(jobId: number): void {
    const { journal, tails } = this.#options
    const file = this.#files.get(jobId)
    this.#files.delete(jobId)
    this.#waiting.delete(jobId)
    journal?.ended(jobId)
    // After its record: a file without one is removed at the next start.
    if (file !== undefined) void tails?.remove(file)
  }

  /**
   * Goes on telling how a job ended that the coordinator did not take. `kept`: what {@link keep} answered. Never
   * rejects; the trace is not read any more once this resolves.
   */
  async take(ended: EndedJob, kept: KeptEnd | undefined, why: Error): Promise<void> {
    const { job } = ended
    const end = kept ?? withoutTail(ended)
    const memory = kept === undefined ? await this.#readTail(ended).catch(() => undefined) : undefined
    this.#add({ job, end, memory, since: this.#options.clock.now() }, why)
  }

  /** Tells how a job of an earlier process ended. */
  restore(job: JobPayload, end: KeptEnd): void {
    if (end.tailFile !== undefined) this.#files.set(job.id, end.tailFile)
    this.#add({ job, end, memory: undefined, since: this.#options.clock.now() })
  }

  /** A job of an earlier process cannot go on: it is told as failed, so that `retry` works. */
  lose(job: JobPayload, message: string): void {
    const outcome: JobOutcome = { state: 'failed', reason: 'runner_system_failure', message }
    const end: KeptEnd = { outcome, size: 0, crc32: 0, tailAt: 0, tail: '', hasNoTrace: true }
    this.#options.journal?.note(job.id, 'end', end as unknown as JsonValue)
    this.#options.logger.warn({ job: job.id, failure: message }, 'job of an earlier process reported as failed')
    this.#add({ job, end, memory: undefined, since: this.#options.clock.now() })
  }

  /**
   * Tries once more at once, for as long as `patience` lasts; what is left then stays in the journal. Resolves when
   * nothing is told any more.
   */
  async stop(patience: AbortSignal): Promise<void> {
    this.#isStopping = true
    const end = (): void => this.#stop.abort(patience.reason)
    if (patience.aborted) end()
    else patience.addEventListener('abort', end, { once: true })
    for (const pause of this.#pauses) pause.abort()
    while (this.#telling.size > 0) await Promise.all(this.#telling)
  }

  async #keepTail(ended: EndedJob): Promise<Pick<KeptEnd, 'tail' | 'tailFile'>> {
    const { job, trace } = ended
    const { tails } = this.#options
    const start = tailStart(ended)
    if (tails === undefined || trace.size - start <= recordBytes)
      return { tail: (await this.#readTail(ended)).toString('base64') }
    const tailFile = await tails.write(job.id, (offset, most) => trace.read(offset, most), start, trace.size)
    this.#files.set(job.id, tailFile)
    return { tail: '', tailFile }
  }

  async #readTail(ended: EndedJob): Promise<Buffer> {
    const { trace } = ended
    const pieces: Buffer[] = []
    for (let at = tailStart(ended); at < trace.size; at += pieces.at(-1)!.length)
      pieces.push(await trace.read(at, trace.size - at))
    return Buffer.concat(pieces)
  }

  #add(waiting: Waiting, why?: Error): void {
    const { job } = waiting
    const { logger } = this.#options
    if (why !== undefined)
      logger.warn(
        { job: job.id, job_status: waiting.end.outcome.state, error: why },
        'end of a job waits to be reported',
      )
    this.#waiting.set(job.id, waiting)
    this.#bound()
    if (this.#stop.signal.aborted) return
    const telling = this.#tell(waiting).finally(() => this.#telling.delete(telling))
    this.#telling.add(telling)
  }

  /** Without a journal, or where its disk takes nothing, ends are in memory only. */
  #bound(): void {
    const { journal, logger } = this.#options
    let bytes = 0
    for (const { memory } of this.#waiting.values()) bytes += memory?.length ?? 0
    for (const waiting of this.#waiting.values()) {
      if (bytes <= memoryLimitBytes) break
      if (waiting.memory === undefined) continue
      bytes -= waiting.memory.length
      waiting.memory = undefined
      logger.error(
        { job: waiting.job.id },
        'the rest of the log of a job is dropped: too many ends wait to be reported',
      )
    }
    if (journal !== undefined) return
    for (const { job } of this.#waiting.values()) {
      if (this.#waiting.size <= memoryLimitEnds) break
      this.#waiting.delete(job.id)
      this.#givenUp += 1
      logger.error({ job: job.id }, 'the end of a job is dropped: too many ends wait to be reported')
    }
  }

  /** Never rejects. */
  async #tell(waiting: Waiting): Promise<void> {
    const { clock, random, logger } = this.#options
    const { job, end, since } = waiting
    const { signal } = this.#stop
    let delivery = this.#delivery(waiting)
    let saidAt = since
    for (let failures = 0; this.#waiting.get(job.id) === waiting && !signal.aborted; ) {
      let failure: Error
      try {
        const result = await this.#attempt(delivery)
        if (result === undefined) continue
        if (result.delivered || (result.error instanceof JobApiError && isNotOurs(result.error))) {
          this.told(job.id)
          const fields = {
            job: job.id,
            job_status: end.outcome.state,
            after_seconds: loggedSeconds(clock.now() - since),
          }
          if (result.delivered) logger.info(fields, 'end of a job reported late')
          else logger.warn({ ...fields, error: result.error }, 'end of a job rejected: the job is no longer ours')
          return
        }
        failure = result.error
        delivery = this.#delivery(waiting)
      } catch (error) {
        failure = error as Error
      }
      if (signal.aborted) return
      failures += 1
      if (failures === 1 || clock.now() - saidAt >= saidMs) {
        saidAt = clock.now()
        logger.warn({ job: job.id, failures, error: failure }, 'end of a job not reported yet')
      }
      const askedMs = failure instanceof JobApiError ? failure.retryAfterMs : undefined
      await this.#pause(backoffMs(tryCurve, failures, random, askedMs))
    }
  }

  #attempt(delivery: OutcomeDelivery): Promise<Delivery | undefined> {
    return this.#attempts.run(() => delivery.attempt({ isLastTry: false }), this.#stop.signal)
  }

  #delivery(waiting: Waiting): OutcomeDelivery {
    const { job, end } = waiting
    const { client, tails, clock, random, logger } = this.#options
    const { tailFile } = end
    // Not held on to here: it may have to be given up.
    const fromMemory: ReadBytes | undefined =
      waiting.memory && ((offset, most) => waiting.memory?.subarray(offset, offset + most) ?? Buffer.alloc(0))
    const fromFile: ReadBytes | undefined =
      tailFile === undefined ? undefined : (offset, most) => readFile(tails, tailFile, offset, most)
    const trace = new KeptTrace(end, fromMemory ?? fromFile)
    const upload = new TraceUpload(client, job, trace, { isDebugTrace: false, sent: { bytes: end.tailAt } })
    return new OutcomeDelivery(
      {
        client,
        job,
        trace,
        upload,
        outcome: end.outcome,
        // Of a job that was lost the coordinator had heard from the process that ran it.
        isAccepted: end.hasNoTrace === true,
        withTrace: end.hasNoTrace !== true,
        maxTries: Number.POSITIVE_INFINITY,
        clock,
        random,
        logger,
      },
      this.#stop.signal,
    )
  }

  /** Until the time is over, or a stop wants one more try. */
  async #pause(ms: number): Promise<void> {
    const { clock } = this.#options
    if (this.#isStopping) return await delay(clock, Math.min(ms, tryCurve.baseMs), this.#stop.signal).catch(() => {})
    const wake = new AbortController()
    this.#pauses.add(wake)
    const onStop = (): void => wake.abort()
    this.#stop.signal.addEventListener('abort', onStop, { once: true })
    await delay(clock, ms, wake.signal).catch(() => {})
    this.#stop.signal.removeEventListener('abort', onStop)
    this.#pauses.delete(wake)
  }
}

function tailStart({ trace, sentBytes }: EndedJob): number {
  return Math.min(sentBytes, trace.size)
}

function withoutTail(ended: EndedJob): KeptEnd {
  const { outcome, trace } = ended
  return { outcome, size: trace.size, crc32: trace.crc32, tailAt: tailStart(ended), tail: '' }
}

function readFile(tails: KeptTails | undefined, name: string, offset: number, maxBytes: number): Promise<Buffer> {
  if (tails === undefined)
    throw new StateError('unavailable', 'the rest of a log is in a file, and no state is kept now')
  return tails.read(name, offset, maxBytes)
}
