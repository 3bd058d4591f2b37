import type { Clock, Connection, DialTarget } from '@runner-core/fleeting'
import type { SlotConnection } from '@runner-core/runner-executor'
import { Engine } from './engine.ts'
import { EngineError } from './engine-error.ts'

export interface EngineLinkOptions {
  readonly connection: SlotConnection
  /** Where the Engine listens, as seen from the instance. */
  readonly target: DialTarget
  readonly clock: Clock
}

/** A job's way to the Engine of its slot: over connections, one after another, each of which may end under the job. */
export class EngineLink {
  readonly #options: EngineLinkOptions
  #open: { readonly connection: Connection; readonly engine: Engine } | undefined

  constructor(options: EngineLinkOptions) {
    this.#options = options
  }

  /** The Engine over the connection that is there. Thrown as by `Engine.open`. */
  async engine(signal: AbortSignal): Promise<Engine> {
    const { connection, target, clock } = this.#options
    const { current } = connection
    if (this.#open?.connection === current) return this.#open.engine
    this.close()
    const engine = await Engine.open({ dial: () => current.dial(target), clock, signal })
    this.#open = { connection: current, engine }
    return engine
  }

  /** Whether what failed with this error failed for want of a connection, so that another one may be tried. */
  isLost(error: unknown): boolean {
    return this.#options.connection.isLost(error) || (error instanceof EngineError && error.code === 'unreachable')
  }

  /**
   * The Engine after the connection to it broke: over another connection where the one that is there has ended.
   * Rejects as `SlotConnection.replace`, and as {@link engine}.
   */
  async again(signal: AbortSignal): Promise<Engine> {
    const { connection } = this.#options
    this.close()
    if (connection.current.ended !== undefined) await connection.replace(signal)
    return await this.engine(signal)
  }

  /** Idempotent. */
  close(): void {
    this.#open?.engine.close()
    this.#open = undefined
  }
}
