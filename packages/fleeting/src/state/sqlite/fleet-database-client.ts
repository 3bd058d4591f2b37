import { type Clock, delay } from '../../contract/clock.ts'
import { StateError } from '../state-store.ts'
import type { DatabaseLink } from './database-link.ts'
import type { Durability, EncodedChange, EncodedRecord, LeaseRow } from './fleet-database.ts'
import type { DatabaseArguments, DatabaseRequest, DatabaseResult } from './fleet-database-service.ts'

/** From one try to the next while another process holds the file. */
const retryMs = 10

/** Transactions of other processes are short: whoever can ask again later waits no longer for one. */
const shortMs = 100

export interface FleetDatabaseClientOptions {
  readonly link: DatabaseLink
  readonly directory: string
  /**
   * How long a write waits for a file that another process holds, milliseconds; then it rejects with `StateError`
   * `busy`.
   */
  readonly patienceMs: number
  readonly clock: Clock
}

/**
 * A fleet's database as other threads see it: what is asked is done in the order in which it was asked, each once what
 * came before has its answer. Rejects with `StateError`.
 */
export class FleetDatabaseClient {
  readonly #options: FleetDatabaseClientOptions
  #last: Promise<unknown> = Promise.resolve()
  #closing: Promise<unknown> | undefined

  constructor(options: FleetDatabaseClientOptions) {
    this.#options = options
  }

  /** Whether nothing is written any more, whatever is tried. */
  get hasEnded(): boolean {
    return this.#options.link.hasEnded
  }

  /** Soon `busy` when another process holds the file. */
  open(): Promise<void> {
    return this.#ask('open', [this.#options.directory], shortMs)
  }

  /** Soon `busy` when another process holds the file. */
  lease(): Promise<LeaseRow> {
    return this.#ask('lease', [], shortMs)
  }

  /** Soon `busy` when another process holds the file. */
  take(owner: string): Promise<number> {
    return this.#ask('take', [owner], shortMs)
  }

  /**
   * Soon `busy` when another process holds the file: nobody else can take the fleet then, and the next beat may come
   * through.
   */
  beat(epoch: number): Promise<boolean> {
    return this.#ask('beat', [epoch], shortMs)
  }

  giveBack(epoch: number): Promise<void> {
    return this.#ask('giveBack', [epoch])
  }

  load(kinds?: readonly string[]): Promise<readonly EncodedRecord[]> {
    return this.#ask('load', [kinds])
  }

  write(epoch: number, changes: readonly EncodedChange[], durability: Durability): Promise<boolean> {
    return this.#ask('write', [epoch, changes, durability])
  }

  /** After all that was asked before. Idempotent; rejects with nothing. */
  async close(): Promise<void> {
    this.#closing ??= this.#ask('close', []).catch(() => {})
    await this.#closing
  }

  #ask<Call extends DatabaseRequest['call']>(
    call: Call,
    args: DatabaseArguments<Call>,
    patienceMs: number = this.#options.patienceMs,
  ): Promise<DatabaseResult<Call>> {
    const answer = this.#last.then(() => this.#perform({ call, args } as unknown as DatabaseRequest, patienceMs))
    this.#last = answer.catch(() => {})
    return answer as Promise<DatabaseResult<Call>>
  }

  async #perform(request: DatabaseRequest, patienceMs: number): Promise<unknown> {
    const { link, clock } = this.#options
    const until = clock.now() + patienceMs
    let answer = await link.ask(request)
    while ('error' in answer) {
      const { code, message, cause } = answer.error
      if (code !== 'busy' || clock.now() >= until) throw new StateError(code, message, { cause })
      await delay(clock, retryMs)
      answer = await link.ask({ call: 'again', args: [] })
    }
    return answer.result
  }
}
