import type { Clock, Connection, Logger } from '@runner-core/fleeting'

export interface SpaceLooksOptions {
  /** Bytes; 0: nobody looks. */
  readonly minFreeBytes: number
  readonly clock: Clock
  readonly logger: Logger
}

/** A machine that had room is not asked again for so long, since the look costs a process. */
const freshMs = 10_000

/** When machines were last seen to have room for a job. */
export class SpaceLooks {
  readonly #options: SpaceLooksOptions
  readonly #seenAt = new WeakMap<Connection, number>()
  #hasWarned = false

  constructor(options: SpaceLooksOptions) {
    this.#options = options
  }

  /** The room that the next job must find, KiB; undefined: it need not look. */
  due(connection: Connection): number | undefined {
    const { minFreeBytes, clock } = this.#options
    if (minFreeBytes === 0) return undefined
    const seenAt = this.#seenAt.get(connection)
    return seenAt !== undefined && clock.now() - seenAt < freshMs ? undefined : Math.ceil(minFreeBytes / 1024)
  }

  /** A machine has room, or does not tell: then a job runs there as if nobody had looked. */
  passed(connection: Connection, instanceId: string, isKnown: boolean): void {
    const { clock, logger } = this.#options
    this.#seenAt.set(connection, clock.now())
    if (isKnown || this.#hasWarned) return
    this.#hasWarned = true
    logger.warn(
      { instance: instanceId },
      'the output of df is not understood: jobs run without checking min_free_space',
    )
  }
}
