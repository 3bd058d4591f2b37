import { type Clock, deadline, describeError, type Logger, loggedSeconds, type Random } from '@runner-core/fleeting'
import { isFenced, type JournalTrouble, type JsonValue, type KeepOptions } from '@runner-core/fleeting/state'
import {
  type CacheStore,
  formatGoDuration,
  type JobPayload,
  type RunnerIdentity,
  type ScriptStart,
} from '@runner-core/job'
import { type JobExecutor, WaitLines } from '@runner-core/runner-executor'
import type { Acquisition, QueueDepth, Reservation } from '@runner-core/taskscaler'
import { atMost } from '../at-most.ts'
import type { RunnerSettings } from '../config/settings.ts'
import { EndOutbox } from '../ends/end-outbox.ts'
import type { FleetRecord } from '../explain/fleet-record.ts'
import type { JobApiClient } from '../gitlab/job-api-client.ts'
import { withFields } from '../logging/with-fields.ts'
import type { JobJournal } from '../state/job-journal.ts'
import { ActiveJob, type ActiveJobOptions, type JobEnd } from './active-job.ts'
import type { ActiveJobCheckpoint } from './job-checkpoints.ts'
import type { JobCounts } from './job-counts.ts'
import type { JobObserver } from './job-observer.ts'
import { JobProgress } from './job-progress.ts'
import { createQueuingCheck, type QueuingCheck } from './queuing-check.ts'

export interface JobSupervisorOptions {
  readonly settings: RunnerSettings
  readonly client: JobApiClient
  readonly executor: JobExecutor
  readonly identity: RunnerIdentity
  /** Where all machines keep their caches; absent: each keeps its own. */
  readonly cacheStore?: CacheStore | undefined
  /** Told what GitLab says of jobs that wait. */
  readonly queue: QueueDepth
  readonly observer: JobObserver
  /** Where jobs under way are kept for the next process; absent: nowhere. */
  readonly journal?: JobJournal | undefined
  /** Where ends wait that the coordinator does not take at once. Default: one of its own, over `journal`. */
  readonly ends?: EndOutbox | undefined
  /** Keeps why jobs waited and where they ran. */
  readonly record: Pick<FleetRecord, 'jobCame' | 'jobWaits' | 'jobPlaced' | 'jobEnded'>
  /** A slot was given back; the job's end may still have to be reported. */
  readonly onSlotFree: () => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** How a job left: `gone` because the coordinator has it back, `left` to another process, with its slot. */
type Leaving = 'over' | 'gone' | 'left'

/** How long a job that was handed out again waits to hear that the earlier hand-out is taken back, milliseconds. */
const maxEarlierMs = 10_000
/** How long the ends of jobs may take to be kept before what they left is left there, milliseconds. */
const maxWipeMs = 10_000

/** Where a job comes from: handed out just now, or left by an earlier process. */
interface JobOrigin extends Pick<ActiveJobOptions, 'place' | 'checkpoint'> {
  readonly isLeft?: boolean
}

/**
 * Runs the jobs of one runner: each from the moment it was handed out until its end has been reported, or waits to be.
 */
export class JobSupervisor {
  readonly #options: JobSupervisorOptions
  readonly #isLate: QueuingCheck
  readonly #ends: EndOutbox
  readonly #active = new Map<ActiveJob, JobProgress>()
  /** By id, the jobs that are active, or about to be. */
  readonly #here = new Map<number, Promise<Leaving>>()
  /** Of jobs that are over, until what they left can be removed. */
  readonly #wiping = new Set<Promise<void>>()
  #isInterrupted = false
  #hasLostInstances = false
  #leaves: { readonly atOnce: boolean } | undefined
  #failed = 0
  #queueSize: number | undefined
  #queueDepth: number | undefined

  constructor(options: JobSupervisorOptions) {
    this.#options = options
    this.#ends = options.ends ?? new EndOutbox(options)
    this.#isLate = createQueuingCheck(options.settings.monitoring.jobQueuingDurations)
  }

  get counts(): JobCounts {
    const [queueSize, queueDepth] = [this.#queueSize, this.#queueDepth]
    return {
      active: [...this.#active.values()],
      failed: this.#failed,
      ...(queueSize !== undefined && { queueSize }),
      ...(queueDepth !== undefined && { queueDepth }),
    }
  }

  /** Runs a job and gives its reservation back. Never rejects. */
  async run(job: JobPayload, reservation: Reservation): Promise<void> {
    const logger = this.#loggerOf(job)
    let isHereAlready = false
    for (
      let earlier = this.#here.get(job.id);
      earlier !== undefined && !isHereAlready;
      earlier = this.#here.get(job.id)
    )
      isHereAlready = !(await this.#isTakenBack(earlier, logger))
    if (!isHereAlready) {
      this.#came(job, logger)
      await this.#handle(job, { place: reservation }, logger, (stopped) => this.#take(job, reservation, stopped))
    }
    reservation[Symbol.dispose]()
  }

  /**
   * A job is handed out again when the coordinator heard nothing of the earlier hand-out for too long: it may wait here
   * until it can be kept, or this process stood still. Where the coordinator has that one back, the new one is to run.
   */
  async #isTakenBack(earlier: Promise<Leaving>, logger: Logger): Promise<boolean> {
    logger.warn({}, 'job handed out again while it is here')
    let end: Leaving | undefined
    const isOver = earlier.then((how) => (end = how))
    await atMost(this.#options.clock, maxEarlierMs, isOver)
    return end === 'gone'
  }

  /**
   * Before the coordinator is told that we have it: one that is not kept is nobody's after a crash. While state cannot
   * be written the job waits, untold: a coordinator that hands jobs out in two phases has it back in its queue after a
   * while, and for others it is as if the job were under way here.
   */
  async #take(job: JobPayload, reservation: Reservation, stopped: AbortSignal): Promise<void> {
    const { clock, journal, record } = this.#options
    if (journal === undefined) return
    const limitMs = job.timeout_seconds * 1000
    const tooLate = (): Error =>
      new Error(`state could not be written for ${formatGoDuration(limitMs)}, the job's own time limit`)
    using limit = deadline(clock, limitMs, tooLate, stopped)
    const onWait = (trouble: JournalTrouble): void =>
      record.jobWaits(String(job.id), `${unkept(trouble)}; until then it is not accepted`)
    await journal.took(
      { payload: job, acquisitionKey: reservation.key, takenAt: clock.wallTime() },
      { signal: limit.signal, onWait },
    )
  }

  /**
   * Goes on with a job that an earlier process left while it ran, and gives its acquisition back. `checkpoint` is what
   * was kept of it. Never rejects.
   */
  async resume(job: JobPayload, acquisition: Acquisition, checkpoint: ActiveJobCheckpoint): Promise<void> {
    const logger = this.#loggerOf(job)
    // At once: what comes before it goes on may take as long as a write of the state.
    this.#options.executor.hold(checkpoint.run.environment)
    logger.info({ instance: acquisition.instanceId }, 'job of an earlier process goes on')
    const from = { place: { acquisition, handle: checkpoint.run.environment }, checkpoint, isLeft: true }
    const how = await this.#handle(job, from, logger)
    if (how !== 'left') await acquisition[Symbol.asyncDispose]()
  }

  /**
   * Runs a job of which an earlier process had begun nothing, as soon as there is a slot for it. Until then the
   * coordinator hears that it waits here, and it can be cancelled. `checkpoint` is what was kept of it, if anything
   * was. Never rejects.
   */
  async runAnew(job: JobPayload, checkpoint?: ActiveJobCheckpoint): Promise<void> {
    const logger = this.#loggerOf(job)
    logger.info({}, 'job of an earlier process begins anew')
    await this.#handle(job, { checkpoint, isLeft: true }, logger)
  }

  #loggerOf(job: JobPayload): Logger {
    return withFields(this.#options.logger, { job: job.id, project: job.job_info.project_id })
  }

  async #handle(
    job: JobPayload,
    from: JobOrigin,
    logger: Logger,
    begin?: (stopped: AbortSignal) => Promise<void>,
  ): Promise<Leaving> {
    const handled = this.#handleHere(job, from, logger, begin)
    this.#here.set(job.id, handled)
    try {
      return await handled
    } finally {
      if (this.#here.get(job.id) === handled) this.#here.delete(job.id)
    }
  }

  async #handleHere(
    job: JobPayload,
    { isLeft = false, ...from }: JobOrigin,
    logger: Logger,
    begin?: (stopped: AbortSignal) => Promise<void>,
  ): Promise<Leaving> {
    const { clock, observer, record, journal } = this.#options
    const id = String(job.id)
    const startedAt = clock.now()
    const progress = new JobProgress({ clock, onStageEnd: (stage, tookMs) => observer.stageEnded(stage, tookMs) })
    const { onPhase } = progress
    let active: ActiveJob | undefined
    let unmark = (): void => {}
    // What an earlier process left may be what it died of.
    let isOver = false
    const mark = async (): Promise<void> => {
      unmark = (await journal?.mark(job.id)) ?? unmark
      if (isOver) unmark()
    }
    try {
      if (isLeft) await mark()
      active = new ActiveJob({
        ...this.#options,
        ...from,
        job,
        ends: this.#ends,
        ...(journal !== undefined && {
          onCheckpoint: (take, start) => {
            const checkpoint = (): JsonValue => take() as unknown as JsonValue
            return start === undefined
              ? journal.note(job.id, 'checkpoint', checkpoint())
              : this.#keepBefore(start, (wait) => journal.keep(job.id, 'checkpoint', checkpoint, wait))
          },
        }),
        onPhase,
        onStage: (stage) => {
          unmark()
          progress.onStage(stage)
        },
        ...(isLeft && { beforePlan: () => unlessFenced(mark()) }),
        onWait: (why) => record.jobWaits(id, why),
        onPlaced: ({ instanceId, acquisitionKey, environment }) => {
          record.jobPlaced(id, instanceId, environment.description)
          if (acquisitionKey !== keyOf(from.place)) journal?.note(job.id, 'acquisitionKey', acquisitionKey)
        },
        logger,
      })
      unmark()
      this.#active.set(active, progress)
      if (this.#isInterrupted) active.interrupt()
      if (this.#hasLostInstances) active.loseInstance()
      if (this.#leaves !== undefined) active.leave(this.#leaves)
      await begin?.(active.stopped)
      const end = await active.run()
      if (end === 'left') {
        logger.info({}, 'job left to another process')
        return 'left'
      }
      if (end === 'gone' || end.waits === undefined) this.#ends.told(job.id)
      const durationMs = clock.now() - startedAt
      if (end !== 'gone') this.#ended(end, durationMs)
      record.jobEnded(id, endText(end))
      logger.info(
        { ...endFields(end), duration_seconds: loggedSeconds(durationMs) },
        'Removed job from processing list',
      )
      return end === 'gone' ? 'gone' : 'over'
    } catch (error) {
      // Another process has the fleet, and the job.
      if (isLeft && active === undefined && isFenced(error)) return 'left'
      logger.error({ error }, 'job not run')
      record.jobEnded(id, `not run: ${describeError(error)}`)
      return 'over'
    } finally {
      isOver = true
      unmark()
      if (active !== undefined) {
        this.#active.delete(active)
        const { wiping } = active
        this.#wiping.add(wiping)
        void wiping.then(() => this.#wiping.delete(wiping))
      }
    }
  }

  /** No checkpoint, no script: after a crash it would be begun anew, while it runs. */
  async #keepBefore({ signal, report }: ScriptStart, keep: (wait: KeepOptions) => Promise<void>): Promise<void> {
    const { clock, journal } = this.#options
    let lines: WaitLines | undefined
    const onWait = (trouble: JournalTrouble): void => {
      const explain = (): string => `${unkept(journal?.trouble ?? trouble)}; until then no script of the job is started`
      lines = new WaitLines({ clock, report, explain })
    }
    try {
      await keep({ signal, onWait })
    } catch (error) {
      // Another process has the fleet, and the job: nothing of it is begun here.
      if (isFenced(error)) return await new Promise(() => {})
      throw error
    } finally {
      lines?.[Symbol.dispose]()
    }
  }

  #came({ id, job_info }: JobPayload, logger: Logger): void {
    const { queue, observer, record, clock } = this.#options
    const { time_in_queue_seconds, queue_size, queue_depth } = job_info
    this.#queueSize = queue_size
    this.#queueDepth = queue_depth
    record.jobCame(String(id), time_in_queue_seconds * 1000)
    // The job that was just handed out was still in the queue when it was counted.
    if (queue_size !== undefined) queue.set(Math.max(0, queue_size - 1))
    observer.started(time_in_queue_seconds, this.#isLate(job_info, clock.wallTime()))
    const queued = { time_in_queue_seconds: loggedSeconds(time_in_queue_seconds * 1000), queue_size, queue_depth }
    logger.info(queued, 'Added job to processing list')
  }

  #ended({ outcome }: Exclude<JobEnd, 'gone' | 'left'>, durationMs: number): void {
    this.#options.observer.ended(durationMs, outcome.state === 'failed' ? outcome.reason : undefined)
    if (outcome.state === 'failed') this.#failed += 1
  }

  /** To be called once, when all jobs that an earlier process left are taken over: see `JobExecutor.sweepLeft`. */
  sweepLeft(): void {
    this.#options.executor.sweepLeft?.()
  }

  /**
   * See `JobExecutor.sweepsEnded`. What jobs left whose end cannot be kept, as on a full disk, stays after a
   * while.
   */
  async sweepsEnded(): Promise<void> {
    await atMost(this.#options.clock, maxWipeMs, Promise.all(this.#wiping))
    await this.#options.executor.sweepsEnded()
  }

  /** Ends every job, those that come later too: each is reported as interrupted. */
  interrupt(): void {
    this.#isInterrupted = true
    for (const job of this.#active.keys()) job.interrupt()
  }

  /**
   * Another manager has the machines, and knows nothing of the jobs: each is reported as interrupted, and nothing on
   * its machine is touched.
   */
  loseInstances(): void {
    this.#hasLostInstances = true
    for (const job of this.#active.keys()) job.loseInstance()
  }

  /**
   * Another process gets the fleet, and its jobs: they are left to it as they are. Those that have ended go on to be
   * told, unless that is to stop `atOnce`.
   */
  leave(how: { readonly atOnce: boolean }): void {
    this.#leaves = how
    for (const job of this.#active.keys()) job.leave(how)
  }

  /** Waits for nothing more: what is not reported by now stays so, and slots are given back as they are. */
  abandon(): void {
    for (const job of this.#active.keys()) job.abandon()
  }
}

/** Where another process has the fleet, and the job, nothing of it is done here any more. */
async function unlessFenced(act: Promise<void>): Promise<void> {
  try {
    await act
  } catch (error) {
    if (isFenced(error)) return await new Promise(() => {})
    throw error
  }
}

function unkept({ error }: JournalTrouble): string {
  return `waiting until state can be written: ${describeError(error)}`
}

function keyOf(place: ActiveJobOptions['place']): string | undefined {
  return place !== undefined && 'acquisition' in place ? place.acquisition.key : place?.key
}

function endFields(end: Exclude<JobEnd, 'left'>): object {
  if (end === 'gone') return { job_status: 'gone' }
  const { outcome, isReported } = end
  const failure = outcome.state === 'failed' && {
    failure_reason: outcome.reason,
    exit_code: outcome.exitCode,
    failure: outcome.message,
  }
  return { job_status: outcome.state, ...failure, ...(!isReported && { reported: false }) }
}

function endText(end: Exclude<JobEnd, 'left'>): string {
  if (end === 'gone') return 'gone: it is not ours, or nobody wants it any more'
  const { outcome, isReported } = end
  const how = outcome.state === 'failed' ? `failed (${outcome.reason}): ${outcome.message}` : outcome.state
  return isReported ? how : `${how}; GitLab ${end.waits ? 'is still to be told' : 'does not want to know'}`
}
