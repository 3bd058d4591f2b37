import { type Clock, ConnectionError, deadline, type Logger } from '@runner-core/fleeting'
import { EnvironmentError, type JobMarker, killLimitMs } from '@runner-core/job'
import type { SlotConnection } from '@runner-core/runner-executor'
import type { Acquisition } from '@runner-core/taskscaler'
import { endProcesses } from './end-processes.ts'

export interface JobProcessesOptions {
  readonly acquisition: Acquisition
  readonly connection: SlotConnection
  readonly jobMarker: JobMarker
  readonly buildsDir: string
  /** See `SlotClaim.owner`. Absent: the job claims no slot. */
  readonly slotOwner?: string | undefined
  /** How long they have from `TERM` to `KILL`, milliseconds. */
  readonly killGraceMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** How much longer than the machine's own limits an answer to the kill script may take. */
const killAnswerMs = 15_000

/**
 * How long the last attempt to end what a job left may take, with dialling; and how long its processes have to go then.
 */
const sweepMs = 15_000
const sweepGraceMs = 5000

/**
 * What a job has running on its machine, and how it is ended. Where some may live on that nothing could end, the
 * instance is condemned: it gets no more jobs.
 */
export class JobProcesses {
  readonly #options: JobProcessesOptions
  #mayLiveOn = false

  constructor(options: JobProcessesOptions) {
    this.#options = options
  }

  get mayLiveOn(): boolean {
    return this.#mayLiveOn
  }

  /** Nothing may end them any more. */
  abandon(why: string): void {
    this.#mayLiveOn = true
    this.#options.acquisition.condemn(why)
  }

  /**
   * Ends them all. Thrown, with all of them abandoned: `EnvironmentError` when some live on; what keeps the machine
   * from being asked.
   */
  async end(): Promise<void> {
    const { acquisition, killGraceMs, clock } = this.#options
    const limitMs = killGraceMs + killLimitMs + killAnswerMs
    const timedOut = (): Error =>
      new ConnectionError('unreachable', `the kill script did not respond within ${limitMs} ms`)
    let answer: string
    try {
      using limit = deadline(clock, limitMs, timedOut, acquisition.signal)
      answer = await this.#kill(killGraceMs, limit.signal)
    } catch (error) {
      this.abandon('its processes could not be ended')
      throw error
    }
    if (answer === 'clean') return
    this.abandon('not all its processes could be ended')
    throw liveOn(answer)
  }

  /**
   * One more attempt, of 15 s, to end what a lost or abandoned job left behind: a machine that outlives its loan would
   * keep it. The instance gets no more jobs meanwhile, nor afterwards. True when nothing is left. Never rejects.
   */
  async sweep(): Promise<boolean> {
    const { acquisition, connection, killGraceMs, clock, logger } = this.#options
    this.abandon('its slot was released while it ran')
    const timedOut = (): Error =>
      new ConnectionError('unreachable', `the processes could not be ended within ${sweepMs} ms`)
    try {
      using limit = deadline(clock, sweepMs, timedOut, acquisition.signal)
      await connection.replace(limit.signal)
      const answer = await this.#kill(Math.min(killGraceMs, sweepGraceMs), limit.signal)
      if (answer === 'clean') return true
      throw liveOn(answer)
    } catch (error) {
      logger.warn(
        { instance: acquisition.instanceId, err: error },
        'a job may have left processes on an instance that gets no more jobs',
      )
      return false
    }
  }

  /** What the kill script said. */
  async #kill(graceMs: number, signal: AbortSignal): Promise<string> {
    const { connection, jobMarker, buildsDir, slotOwner, clock } = this.#options
    const slots = slotOwner === undefined ? undefined : { buildsDir, owner: slotOwner }
    let answer = ''
    await connection.run(async (current, onStarted) => {
      answer = await endProcesses(current, { jobMarker, graceMs, slots, onStarted, clock, signal })
      return { code: 0 }
    }, signal)
    return answer
  }
}

function liveOn(answer: string): EnvironmentError {
  return new EnvironmentError('failed', `not all processes of the job could be ended (${answer || 'no answer'})`)
}
