import type { Clock } from '@runner-core/fleeting'
import type { JobCheckpoint, LineTimes, LineTimesRecord, ScriptStart } from '@runner-core/job'
import { atMost } from '../at-most.ts'
import type { SentTrace } from '../gitlab/report/trace-upload.ts'

/** How long what is to be kept before something else may take, milliseconds: then that happens all the same. */
export const maxKeepMs = 2000

/**
 * What another process needs to go on with a job, beside the job itself and its slot. JSON, to be kept like the job's
 * token.
 */
export interface ActiveJobCheckpoint {
  readonly run: JobCheckpoint
  readonly sent: SentTrace
  /** Absent: the lines of its log have no times. */
  readonly lineTimes?: LineTimesRecord
}

export interface JobCheckpointsOptions {
  readonly sent: SentTrace
  readonly lineTimes: LineTimes | undefined
  /** See `ActiveJobOptions.onCheckpoint`. */
  readonly keep: ((take: () => ActiveJobCheckpoint, start?: ScriptStart) => void | Promise<void>) | undefined
  /** Resolves once all that was to be kept is. */
  readonly settled: () => Promise<void>
  /** Whether another process has the job now. */
  readonly isLeft: () => boolean
  readonly clock: Clock
}

/** Keeps what another process would need to go on with a job. */
export class JobCheckpoints {
  readonly #options: JobCheckpointsOptions
  #sent: SentTrace
  #takeRun: (() => JobCheckpoint) | undefined
  /** Texts of the log, as many as the coordinator may have. */
  #keptSaid = 0

  constructor(options: JobCheckpointsOptions) {
    this.#options = options
    this.#sent = options.sent
  }

  /** How much of the trace the coordinator has. */
  get sent(): SentTrace {
    return this.#sent
  }

  /** The run has something to keep, and says how to take it: see `RunJobOptions.onCheckpoint`. */
  offer(take: () => JobCheckpoint, start?: ScriptStart): void | Promise<void> {
    const isFirst = this.#takeRun === undefined
    this.#takeRun = take
    // Nobody has heard anything new about it yet.
    if (isFirst && start === undefined && !this.#options.isLeft()) return
    return this.#keep(start)
  }

  /** The coordinator has taken a piece of the trace. */
  noteSent(sent: SentTrace): void {
    this.#sent = sent
    void this.#keep()
  }

  /**
   * Keeps the times in the log for the next process before the coordinator has them. It writes the same log again;
   * with other times the checksum would be wrong. A log that cannot be kept for a while is sent all the same.
   */
  async keepSaid(): Promise<void> {
    const { settled, clock, lineTimes } = this.#options
    if (this.#takeRun === undefined) return
    const said = this.#takeRun().said.length
    if (said === this.#keptSaid && lineTimes === undefined) return
    void this.#keep()
    await atMost(clock, maxKeepMs, settled())
    this.#keptSaid = said
  }

  #keep(start?: ScriptStart): void | Promise<void> {
    const { keep, isLeft, lineTimes } = this.#options
    // No script starts here that another process does not know of.
    if (isLeft()) return new Promise(() => {})
    const run = this.#takeRun
    if (run === undefined) return
    return keep?.(() => ({ run: run(), sent: this.#sent, ...(lineTimes && { lineTimes: lineTimes.record }) }), start)
  }
}
