import {
  type Clock,
  type Connection,
  ConnectionError,
  deadline,
  delay,
  isGroupError,
  type Logger,
  silentLogger,
  systemClock,
} from '@runner-core/fleeting'
import { EnvironmentError, formatGoDuration, JobError } from '@runner-core/job'
import {
  type AcquireOptions,
  type Acquisition,
  NoCapacityError,
  type Reservation,
  type Taskscaler,
} from '@runner-core/taskscaler'
import { judgeDialFailure } from '../connect/dial-failure.ts'
import type { PrepareOptions } from '../job-executor.ts'
import { AcquireBudget } from '../slots/acquire-budget.ts'
import { nextChange } from '../slots/next-change.ts'
import { WaitLines } from '../slots/wait-lines.ts'

export interface PlaceFinderOptions {
  /** Whose slots jobs run on. */
  readonly scaler: Pick<Taskscaler, 'acquire' | 'explainWait' | 'onChange' | 'reserve'>
  /** How long a job may wait for a place, milliseconds: one budget for all waits and connects. Default 15 minutes. */
  readonly acquireTimeoutMs?: number
  /**
   * How long it may take to connect to an instance that was proven ready before, milliseconds; then the job takes
   * another, and nobody gets this one until it answers again. Shorter than the connector's own budget, which has to
   * outlast a boot; long enough for a busy machine, and for a slot to share another's connection. Default 30,000; half
   * of `acquireTimeoutMs` at most.
   */
  readonly connectTimeoutMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

/** Why an instance that can be reached gets no more jobs. */
export interface Refusal {
  /** What it is condemned for. */
  readonly reason: string
  /** Says in the manager's log what happened. */
  readonly message: string
  /** Says it in the job's trace. */
  readonly line: string
}

/** A job's place on an instance; or why there is none, whereupon the job takes another instance. */
export type Admitted<Place> = { readonly place: Place } | { readonly refused: Refusal }

export interface FindOptions<Place> extends Pick<PrepareOptions, 'report' | 'signal' | 'again'> {
  /** See `AcquireOptions.label`. The label of another is replaced once at most. */
  readonly label?: string | undefined
  /** See `AcquireOptions.content`. */
  readonly content?: string | undefined
  /**
   * Makes the place, over a connection that was just made or used. What it throws is judged as a failure to connect
   * is; a {@link JobError} ends the search as it is.
   */
  readonly admit: (acquisition: Acquisition, connection: Connection, signal: AbortSignal) => Promise<Admitted<Place>>
}

type Wait = (explain: () => string) => WaitLines

/** Between two tries while the cloud does not say where instances are. */
const cloudPauseMs = 5000

/** Turns reservations into places: acquires slots, connects to their instances, and tries others where that fails. */
export class PlaceFinder {
  readonly #options: Required<PlaceFinderOptions>

  constructor({ acquireTimeoutMs = 900_000, connectTimeoutMs = 30_000, ...options }: PlaceFinderOptions) {
    this.#options = {
      scaler: options.scaler,
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      acquireTimeoutMs,
      connectTimeoutMs: Math.min(connectTimeoutMs, acquireTimeoutMs / 2),
    }
  }

  /** Rejects as `JobExecutor.prepare`; nothing is lent then. */
  async find<Place>(
    reservation: Reservation | undefined,
    { report, signal, again = false, label, content, admit }: FindOptions<Place>,
  ): Promise<Place> {
    const { acquireTimeoutMs, clock, logger } = this.#options
    let why = (): string => ''
    using budget = new AcquireBudget({
      clock,
      limitMs: acquireTimeoutMs,
      timedOut: () =>
        new EnvironmentError('failed', `no slot for the job within ${formatGoDuration(acquireTimeoutMs)}: ${why()}`),
      parent: signal,
    })
    const wait: Wait = (explain) => {
      why = explain
      budget.start()
      return new WaitLines({ clock, report, explain })
    }
    let priority = reservation?.priority ?? 0
    // `true` once it has given an instance with another label up: one is enough, and what is launched instead is for
    // this job.
    let labelOnly: AcquireOptions['labelOnly'] = 'if_room'
    let next = again || reservation === undefined ? await this.#reserve(priority, wait, budget.signal) : reservation
    for (; ; next = await this.#reserve(priority, wait, budget.signal)) {
      const acquisition = await this.#acquire(next, { label, labelOnly, content }, wait, budget.signal)
      const { instanceId } = acquisition
      why = () => `instance ${instanceId} does not respond`
      budget.start()
      try {
        const connection = await this.#connect(acquisition, budget.signal)
        const admitted = await admit(acquisition, connection, budget.signal)
        if ('place' in admitted) return admitted.place
        const { reason, message, line } = admitted.refused
        if (label !== undefined) {
          labelOnly = true
          priority = Number.POSITIVE_INFINITY
        }
        acquisition.condemn(reason)
        await acquisition[Symbol.asyncDispose]()
        logger.warn({ instance: instanceId, reason }, message)
        report(line)
      } catch (error) {
        const verdict = judgeDialFailure(error)
        if (verdict === 'replace' && !budget.signal.aborted)
          acquisition.condemn(`it cannot be used: ${messageOf(error)}`)
        await acquisition[Symbol.asyncDispose]()
        budget.signal.throwIfAborted()
        if (error instanceof JobError) throw error
        logger.warn({ instance: instanceId, verdict, err: error }, 'a job could not reach its instance')
        if (verdict === 'hopeless' || verdict === 'unknown')
          throw new EnvironmentError('failed', `instance ${instanceId} cannot be used: ${messageOf(error)}`, {
            cause: error,
          })
        report(`Instance ${instanceId} cannot be used: ${messageOf(error)}. Moving to another one.`)
        if (verdict === 'later') await this.#pause(error, budget.signal)
      }
    }
  }

  async #acquire(
    reservation: Reservation,
    choice: Pick<AcquireOptions, 'label' | 'labelOnly' | 'content'>,
    wait: Wait,
    signal: AbortSignal,
  ): Promise<Acquisition> {
    const { scaler } = this.#options
    let lines: WaitLines | undefined
    const onWait = (): void => {
      lines = wait(() => scaler.explainWait(reservation))
    }
    try {
      return await scaler.acquire(reservation, { ...choice, signal, onWait, onReplanned: () => lines?.tell() })
    } catch (error) {
      throw asInterruption(error)
    } finally {
      lines?.[Symbol.dispose]()
    }
  }

  async #connect(acquisition: Acquisition, signal: AbortSignal): Promise<Connection> {
    const { clock, connectTimeoutMs } = this.#options
    const { instanceId } = acquisition
    const timedOut = (): Error =>
      new ConnectionError('unreachable', `instance ${instanceId}: no connection within ${connectTimeoutMs / 1000} s`)
    using limit = deadline(clock, connectTimeoutMs, timedOut, signal)
    return await acquisition.connect(limit.signal)
  }

  /** Claims another slot, or the promise of one, as soon as the scaler has any to give. */
  async #reserve(priority: number, wait: Wait, signal: AbortSignal): Promise<Reservation> {
    const { scaler } = this.#options
    let refusal = ''
    const tryNow = (): Reservation | undefined => {
      try {
        return scaler.reserve({ priority })
      } catch (error) {
        if (!(error instanceof NoCapacityError) || error.reason === 'shutdown') throw asInterruption(error)
        refusal = `waiting for capacity: ${error.message}`
        return undefined
      }
    }
    let reservation = tryNow()
    if (reservation !== undefined) return reservation
    using _lines = wait(() => refusal)
    for (;;) {
      await nextChange(scaler, signal)
      reservation = tryNow()
      if (reservation !== undefined) return reservation
    }
  }

  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    await delay(this.#options.clock, (isGroupError(error) ? error.retryAfterMs : undefined) ?? cloudPauseMs, signal)
  }
}

function asInterruption(error: unknown): unknown {
  if (!(error instanceof NoCapacityError)) return error
  return new JobError('interrupted', 'runner_interrupted', error.message, { cause: error })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
