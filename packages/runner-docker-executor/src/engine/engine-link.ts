import { type Clock, type Connection, type DialTarget, deadline, delay } from '@runner-core/fleeting'
import { EnvironmentError } from '@runner-core/job'
import type { SlotConnection } from '@runner-core/runner-executor'
import { Engine } from './engine.ts'
import { EngineError } from './engine-error.ts'

export interface EngineLinkOptions {
  readonly connection: SlotConnection
  /** Where the Engine listens, as seen from the instance. */
  readonly target: DialTarget
  readonly clock: Clock
}

/** How long an Engine may be out of reach. */
export interface Outage {
  /** Milliseconds. */
  readonly graceMs: number
  /** `Clock.now()`. */
  readonly lostAt?: number | undefined
}

/** Between two tries to reach an Engine that does not answer. */
const pauseMs = 500
/** Of one of these tries: what is asked over a way that broke is never answered. */
const tryMs = 10_000

/** A job's way to the Engine of its slot: over connections, one after another, each of which may end under the job. */
export class EngineLink {
  readonly #options: EngineLinkOptions
  #open: { readonly connection: Connection; readonly engine: Engine } | undefined

  constructor(options: EngineLinkOptions) {
    this.#options = options
  }

  /** The Engine over the connection that is there. `limitMs`, and what is thrown: as for `Engine.open`. */
  async engine(signal: AbortSignal, limitMs?: number): Promise<Engine> {
    const { connection, target, clock } = this.#options
    const { current } = connection
    if (this.#open?.connection === current) return this.#open.engine
    this.close()
    const dial = (): ReturnType<Connection['dial']> => current.dial(target)
    const engine = await Engine.open({ dial, clock, signal, ...(limitMs !== undefined && { limitMs }) })
    if (this.#open?.connection === current) {
      // Somebody else was faster.
      engine.close()
      return this.#open.engine
    }
    this.#open = { connection: current, engine }
    return engine
  }

  /** Whether what failed with this error failed for want of a connection, so that another one may be tried. */
  isLost(error: unknown): boolean {
    return this.#options.connection.isLost(error) || (error instanceof EngineError && error.code === 'unreachable')
  }

  /**
   * The Engine after the connection to it broke: over another connection where the one that is there has ended.
   * Rejects as `SlotConnection.replace`, and as {@link engine}, which has `limitMs` too.
   */
  async again(signal: AbortSignal, limitMs?: number): Promise<Engine> {
    const { connection } = this.#options
    this.close()
    if (connection.current.ended !== undefined) await connection.replace(signal)
    return await this.engine(signal, limitMs)
  }

  /**
   * The Engine after the connection to it broke, or after it did not answer: waited for `graceMs` from `lostAt` on, by
   * default from now. Rejects with `EnvironmentError` `lost` when that is over, and with the signal's reason.
   */
  async regain(loss: unknown, { graceMs, lostAt }: Outage, signal: AbortSignal): Promise<Engine> {
    const { clock } = this.#options
    const message = `${messageOf(loss)}; it could not be reached again within ${graceMs / 1000} s`
    const late = (): Error => new EnvironmentError('lost', message, { cause: loss })
    const leftMs = Math.max(0, (lostAt ?? clock.now()) + graceMs - clock.now())
    using limit = deadline(clock, leftMs, late, signal)
    for (;;) {
      try {
        return await this.again(limit.signal, tryMs)
      } catch (error) {
        limit.signal.throwIfAborted()
        const isSilent = error instanceof EngineError && error.code === 'timed_out'
        if (!isSilent && !this.isLost(error)) throw error
      }
      await delay(clock, pauseMs, limit.signal)
    }
  }

  /** Idempotent. */
  close(): void {
    this.#open?.engine.close()
    this.#open = undefined
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
