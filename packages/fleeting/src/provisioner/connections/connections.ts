import type { Connection } from '../../contract/connection.ts'
import type { Connector } from '../../contract/connector.ts'
import { asGroupError, GroupError, isConnectionError } from '../../contract/errors.ts'
import type { ProvisionerContext } from '../context.ts'
import type { LifeSign } from '../instances/disappearances.ts'
import type { Instance } from '../instances/instance.ts'
import { type BootFailure, Boots } from '../launches/boots.ts'
import { ConnectionKeeper } from './connection-keeper.ts'
import { Dialer } from './dialer.ts'
import { meaningOf } from './health.ts'
import { HealthChecker } from './health-checker.ts'

/** What the connections must know of the rest of the provisioner. */
export interface ConnectionSurroundings {
  instance(id: string): Instance | undefined
  isBusy(id: string): boolean
  /** A connection ended, or the group does not know an instance any more: `list` will tell. */
  askList(): void
  /** An instance is about to be used. */
  used(): void
  /** Its checks fail, and why; undefined: no more. */
  failing(id: string, why: string | undefined): void
  /** Removes the instance, unless it is busy; answers whether it did. */
  replace(id: string, reason: string): boolean
  /** A boot of ours ended, well or with a failure. */
  booted(placement: string | undefined, failure?: BootFailure): void
}

/** How long a connection that is open may take to answer, milliseconds. */
const lifeCheckMs = 5000

/** Connections to instances, kept between uses, and what they and their users tell about the instances' health. */
export class Connections {
  readonly boots: Boots
  readonly #around: ConnectionSurroundings
  readonly #dialer: Dialer
  readonly #keeper: ConnectionKeeper
  #isClosed = false
  readonly #health: HealthChecker
  /** Failures that `connect` has counted: whoever reports one of them again adds nothing. */
  readonly #counted = new WeakSet<Error>()

  constructor(
    { group, caller, settings, clock, logger }: ProvisionerContext,
    connector: Connector | undefined,
    around: ConnectionSurroundings,
  ) {
    this.#around = around
    this.boots = new Boots((placement, failure) => around.booted(placement, failure))
    this.#dialer = new Dialer(group, caller, connector)
    this.#keeper = new ConnectionKeeper({ clock, dial: (id, signal) => this.#dial(id, signal) })
    this.#health = new HealthChecker({
      settings: settings.health,
      clock,
      logger,
      isIdle: (id) => this.#isJudged(id) && !around.isBusy(id),
      check: (id, signal) => this.#check(id, signal),
      onFailing: (id, why) => around.failing(id, why),
      onGone: () => around.askList(),
      onVerdict: (id, why) => this.#replace(id, why),
    })
  }

  /** While the mass-failure brake holds: since when. */
  get massFailureSince(): number | undefined {
    return this.#health.brakedSince
  }

  /** Health checks begin. */
  begin(): void {
    this.#health.begin()
  }

  async connect(id: string, slot: number, signal: AbortSignal): Promise<Connection> {
    if (this.#around.instance(id) === undefined)
      throw new GroupError('not_found', `instance ${id} does not exist`, { instanceId: id })
    // This says nothing about the instance. A job that then tried the next one at once would never stop trying.
    if (this.#isClosed)
      throw new GroupError('transient', 'the provisioner opens no more connections', { instanceId: id })
    this.#around.used()
    try {
      const connection = await this.#keeper.get(id, slot, signal)
      if (this.#isJudged(id)) this.#health.good(id)
      return connection
    } catch (error) {
      if (error instanceof Error) this.#counted.add(error)
      // A caller's own limit may speak of the instance too, as in "no connection within 30 s".
      if (this.#isJudged(id)) this.#health.notConnected(id, signal.aborted ? signal.reason : error)
      throw error
    }
  }

  reportFailure(id: string, error: Error): void {
    const instance = this.#around.instance(id)
    if (instance === undefined) return
    this.boots.failed(instance, error.message)
    if (this.#counted.has(error) || !this.#isJudged(id)) return
    if (isConnectionError(error)) this.#health.bad(id, error)
    else this.#health.failed(id, error.message)
  }

  reportSuccess(id: string): void {
    const instance = this.#around.instance(id)
    if (instance === undefined) return
    if (this.#isJudged(id)) this.#health.good(id)
    this.boots.ready(instance)
  }

  /** The instance is on its way out: its checks count no more. */
  release(id: string): void {
    this.#health.forget(id)
  }

  /** The instance is gone. */
  forget(id: string): void {
    this.boots.forget(id)
    this.#health.forget(id)
    this.#keeper.forget(id)
    this.#dialer.forget(id)
  }

  /** Health checks end; connections stay with whoever works on them. */
  halt(): void {
    this.#health.close()
  }

  /** Ends every connection. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.#keeper.close()
  }

  /** Whether checks of the instance count: it runs, and nobody has given it up. */
  #isJudged(id: string): boolean {
    const instance = this.#around.instance(id)
    return instance?.state === 'running' && instance.removal === undefined
  }

  #replace(id: string, why: string): void {
    const instance = this.#around.instance(id)
    const proven = this.#health.isProven(id)
    if (instance === undefined || !this.#around.replace(id, `unhealthy: ${why}`)) return
    if (!proven) this.boots.failed(instance, why)
  }

  async #dial(id: string, signal: AbortSignal): Promise<Connection> {
    const connection = await this.#dialer.dial(id, signal)
    connection.onEnd(() => {
      if (this.#isJudged(id)) this.#around.askList()
    })
    return connection
  }

  /** When the instance was last heard over a connection that is open; undefined: none is. */
  heardAt(id: string): number | undefined {
    const open = this.#keeper.open(id)
    return open.length === 0 ? undefined : Math.max(...open.map(({ lastHeardAt }) => lastHeardAt ?? -Infinity))
  }

  /**
   * Asks the instance for a sign of life, over the connections that are open or by a new one. Rejects with the signal's
   * reason.
   */
  async lifeSign(id: string, signal: AbortSignal): Promise<LifeSign> {
    const checks = this.#keeper.open(id).map((connection) => connection.check(lifeCheckMs))
    if (
      await Promise.any(checks).then(
        () => true,
        () => false,
      )
    )
      return 'alive'
    try {
      await this.#keeper.get(id, 0, signal)
      return 'alive'
    } catch (error) {
      signal.throwIfAborted()
      if (isConnectionError(error)) return 'silent'
      const { code } = asGroupError(error)
      // One that is not ready exists.
      return code === 'not_ready' ? 'alive' : code === 'not_found' ? 'silent' : 'unknown'
    }
  }

  /** One health check: a connection; and when there is none, whether the cloud thinks so too. */
  async #check(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#keeper.get(id, 0, signal)
    } catch (error) {
      const death = signal.aborted || meaningOf(error) !== 'failed' ? undefined : await this.#dialer.deathOf(id, signal)
      if (death !== undefined) this.#health.condemn(id, death)
      throw error
    }
  }
}
