import { basename } from 'node:path'
import { asGroupError, type CancelTimer, GroupError, loggedSeconds, type Random } from '@runner-core/fleeting'
import type { InitRequest, InitResponse } from '../wire/messages.ts'
import type { PluginSession, SessionOptions } from './plugin-session.ts'
import { failuresAfter, restartDelayMs } from './restart-delay.ts'

export interface SupervisorOptions extends SessionOptions {
  readonly request: InitRequest
  readonly random: Random
  /** Starts a process. A parameter, so that what is decided here can be tested without one. */
  readonly start: (options: SessionOptions, request: InitRequest, signal: AbortSignal) => Promise<PluginSession>
}

/** Keeps a plugin running: one that ends is started and initialised again, with back-off, until `close`. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #name: string
  readonly #closing = new AbortController()
  #session: PluginSession | undefined
  /** The group that the plugin said it is, the first time. */
  #groupId: string | undefined
  #trouble: string | undefined
  #failures = 0
  #startedAt = 0
  #cancelRestart: CancelTimer = () => {}
  #starting: Promise<unknown> = Promise.resolve()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#name = basename(options.file)
  }

  /** Why no call can reach the plugin now; undefined while it runs. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** The process that runs now. Thrown: `transient`, while there is none. */
  get session(): PluginSession {
    if (this.#session === undefined)
      throw new GroupError('transient', this.#trouble ?? `plugin ${this.#name} is not running`)
    return this.#session
  }

  /** The first start: one that fails is the caller's to repeat. Thrown: as by `PluginSession.start`. */
  async start(signal: AbortSignal): Promise<InitResponse> {
    const session = await this.#options.start(this.#options, this.#options.request, signal)
    this.#groupId = session.info.id
    this.#use(session)
    return session.info
  }

  /** Ends the plugin for good. Rejects with why its `Shutdown` did not work. */
  async close(): Promise<void> {
    this.#closing.abort(new GroupError('transient', `plugin ${this.#name} was shut down`))
    this.#cancelRestart()
    await this.#starting
    const session = this.#session
    this.#session = undefined
    await session?.end(this.#options.callTimeoutMs)
  }

  #use(session: PluginSession): void {
    this.#session = session
    this.#trouble = undefined
    this.#startedAt = this.#options.clock.now()
    void session.ended.then((how) => this.#ended(session, how))
  }

  #ended(session: PluginSession, how: string): void {
    session.client.close()
    if (this.#closing.signal.aborted) return
    this.#session = undefined
    this.#failures = failuresAfter(this.#failures, this.#options.clock.now() - this.#startedAt)
    this.#restartLater(new GroupError('transient', `plugin ${this.#name} ended (${how})`))
  }

  #restartLater(error: GroupError): void {
    const { clock, random, logger } = this.#options
    const waitMs = restartDelayMs(this.#failures, random)
    this.#trouble = error.message
    logger.error(
      { plugin: this.#name, err: error, failures: this.#failures, wait_seconds: loggedSeconds(waitMs) },
      'plugin is down',
    )
    this.#cancelRestart = clock.after(waitMs, () => {
      this.#starting = this.#restart()
    })
  }

  async #restart(): Promise<void> {
    const { start, request, logger } = this.#options
    try {
      const session = await start(this.#options, request, this.#closing.signal)
      if (session.info.id !== this.#groupId) {
        session.kill()
        throw new GroupError(
          'invalid_config',
          `plugin ${this.#name} was started again for group ${this.#groupId}, and says it is ${session.info.id}`,
        )
      }
      this.#use(session)
      logger.info({ plugin: this.#name, failures: this.#failures }, 'plugin runs again')
    } catch (thrown) {
      if (this.#closing.signal.aborted) return
      this.#failures += 1
      this.#restartLater(asGroupError(thrown))
    }
  }
}
