import { type Clock, type Connection, deadline, type ExitStatus, isConnectionError } from '@runner-core/fleeting'
import type { Acquisition } from '@runner-core/taskscaler'
import { connectAgain } from './connect-again.ts'

export interface SlotConnectionOptions {
  readonly acquisition: Acquisition
  /** The first one. */
  readonly connection: Connection
  /** Whether what runs outlives its connection, and so is worth more than one try to reach the machine again. */
  readonly isPatient: boolean
  readonly clock: Clock
}

/** How long it may take to replace a connection that ended between two commands. */
export const reconnectMs: number = 30_000

/** A job's way to its slot: connections, one after another, of which each may end while the job goes on. */
export class SlotConnection {
  readonly #options: SlotConnectionOptions
  #current: Connection

  constructor(options: SlotConnectionOptions) {
    this.#options = options
    this.#current = options.connection
  }

  /** The one that was used last. */
  get current(): Connection {
    return this.#current
  }

  /** Whether what failed with this error failed for want of a connection. */
  isLost(error: unknown): boolean {
    return this.#current.ended !== undefined || (isConnectionError(error) && error.code === 'connection_lost')
  }

  /** Makes another one the current. Rejects as `Acquisition.connect`. */
  async replace(signal: AbortSignal): Promise<void> {
    const { acquisition, isPatient, clock } = this.#options
    this.#current = isPatient ? await connectAgain(acquisition, clock, signal) : await acquisition.connect(signal)
  }

  /**
   * What is to run comes only after its command was accepted: until then nothing has run, and a connection that turns
   * out to be dead is no reason to fail.
   */
  async run(
    start: (connection: Connection, onStarted: () => void) => Promise<ExitStatus>,
    signal: AbortSignal,
    onStarted: () => void = () => {},
  ): Promise<ExitStatus> {
    let hasStarted = false
    const tryOnce = (): Promise<ExitStatus> =>
      start(this.#current, () => {
        hasStarted = true
        onStarted()
      })
    try {
      return await tryOnce()
    } catch (error) {
      if (hasStarted || signal.aborted || this.#current.ended === undefined) throw error
      using limit = deadline(this.#options.clock, reconnectMs, () => error as Error, signal)
      await this.replace(limit.signal)
    }
    return await tryOnce()
  }
}
