import type { Clock, Logger } from '@runner-core/fleeting'
import type { GroupOwnedError } from '@runner-core/fleeting/provisioner'
import { atMost } from '../at-most.ts'
import type { RecordFile } from '../explain/record-file.ts'
import type { RunnerLifecycle } from './runner-lifecycle.ts'
import type { RunnerParts, RunningParts } from './runner-parts.ts'

/** How a fleet came to be another process's: `handed over` to one that asked for it · `lost` to one that took it. */
export type Departure = 'handed over' | 'lost'

/**
 * How long it may take before the fleet is handed over, or its group is left to another manager, to report jobs that
 * have ended and to clean up after them, milliseconds.
 */
const maxTellMs = 5_000

export interface FleetDepartureOptions {
  readonly lifecycle: RunnerLifecycle
  readonly parts: RunnerParts
  readonly recordFile: RecordFile | undefined
  /** Ends the start that may be under way. */
  readonly cancelStart: (reason: Error) => void
  /** Ends what only this runner has, once nothing is done for it here any more. */
  readonly close: () => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** The ways by which a fleet leaves this process without being shut down. */
export class FleetDeparture {
  readonly #options: FleetDepartureOptions
  /** Resolves once another process has the fleet, and nothing is done for it here any more. */
  readonly departed: Promise<Departure>
  #resolveDeparted = (_how: Departure): void => {}

  constructor(options: FleetDepartureOptions) {
    this.#options = options
    this.departed = new Promise((resolve) => {
      this.#resolveDeparted = resolve
    })
  }

  /**
   * Another process asks for the fleet: it gets it with the jobs as they run, or wait. Those that have ended are told
   * here: they have no slot any more with which another process could go on.
   */
  async handOver(): Promise<void> {
    const { lifecycle, parts, cancelStart, recordFile, logger } = this.#options
    if (!lifecycle.enter('handing_over')) return
    logger.info({}, 'another process asks for the fleet: it is handed over')
    cancelStart(new Error('another process gets the fleet'))
    const { poller, supervisor } = parts.running ?? {}
    await poller?.stopAsking()
    supervisor?.leave({ atOnce: false })
    await this.#awaitEnds(parts.running)
    await parts.ends?.stop(AbortSignal.abort(new Error('another process gets the fleet')))
    await recordFile?.flush()
    if (lifecycle.rules.isGone) return
    parts.state?.lease.freeze()
    await this.#depart('handed over')
  }

  /**
   * Another process has taken the fleet, and with it its jobs, or what is kept about both is gone: nothing more is
   * taken, removed or reported here.
   */
  lose(error: Error): void {
    const { lifecycle, logger } = this.#options
    if (lifecycle.rules.isGone) return
    const how = error.cause === undefined ? 'another process took the fleet over' : 'the state of the fleet is gone'
    logger.error({ error }, `${how}: this one takes no more jobs for it`)
    void this.#depart('lost')
  }

  /**
   * Another manager has taken the instances. It knows nothing of our jobs: their ends are told here, and those that run
   * are left to the next process with our state, or ended where nobody keeps it.
   */
  async loseGroup(error: GroupOwnedError, running: RunningParts): Promise<void> {
    const { lifecycle, parts, recordFile, clock, logger } = this.#options
    if (!lifecycle.enter('losing_group')) return
    logger.error({ error }, 'another manager took the instance group over: this one takes no more jobs for it')
    const { fleet, poller, supervisor } = running
    await poller.stopAsking()
    if (fleet.state === undefined) supervisor.loseInstances()
    else supervisor.leave({ atOnce: false })
    await this.#awaitEnds(running)
    const patience = new AbortController()
    const cancel = clock.after(maxTellMs, () => patience.abort(new Error('another manager has the instances')))
    await parts.ends?.stop(patience.signal)
    cancel()
    await recordFile?.flush()
    await this.#depart('lost')
  }

  /**
   * Waits, not for long, until jobs that have ended are reported and cleaned up after, and what is known of them is
   * kept: a mark that stays would count as a death of this process.
   */
  async #awaitEnds({ poller, supervisor }: Partial<RunningParts> = {}): Promise<void> {
    const { parts, clock } = this.#options
    const told = Promise.all([poller?.stop(), ...parts.takenOver])
      .then(() => supervisor?.sweepsEnded())
      .then(() => parts.state?.jobs.settled())
    await atMost(clock, maxTellMs, told)
  }

  async #depart(how: Departure): Promise<void> {
    const { lifecycle, parts, recordFile, cancelStart, close } = this.#options
    if (!lifecycle.enter('departing')) return
    recordFile?.close()
    const gone = new Error('another process has the fleet')
    cancelStart(gone)
    void parts.ends?.stop(AbortSignal.abort(gone))
    const { running } = parts
    void running?.poller.stop()
    running?.supervisor.leave({ atOnce: true })
    await running?.fleet.scaler.shutdown({ removeInstances: false })
    await parts.state?.close()
    await close()
    parts.running = undefined
    lifecycle.enter('departed')
    this.#resolveDeparted(how)
  }
}
