import { basename } from 'node:path'
import { type Clock, deadline, delay, GroupError, isGroupError, type Logger, untilAbort } from '@runner-core/fleeting'
import type { InitRequest, InitResponse } from '../wire/messages.ts'
import { isUnimplemented } from '../wire/wire-error.ts'
import { PluginClient } from './plugin-client.ts'
import { LineSplitter } from './plugin-log.ts'
import { PluginProcess } from './plugin-process.ts'
import { newSessionCertificate } from './session-certificate.ts'

export interface SessionOptions {
  readonly file: string
  readonly environment: NodeJS.ProcessEnv
  /**
   * `offer`: mutual TLS if the plugin supports it · `require`: reject plugins without TLS · `off`: plaintext.
   */
  readonly tls: 'offer' | 'require' | 'off'
  readonly startTimeoutMs: number
  /** Maximum time for `Init`, milliseconds. */
  readonly callTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** How long a plugin may take to exit on its own, as in upstream's host. */
const endTimeoutMs = 2000
/** How long after the loss of its connections the exit of a process is noticed at the latest. */
const endHeardMs = 500

/** One initialized process of a plugin, from its start to its end. */
export class PluginSession {
  readonly client: PluginClient
  readonly info: InitResponse
  /** Resolves with how the process ended. */
  readonly ended: Promise<string>
  readonly #process: PluginProcess
  readonly #clock: Clock

  private constructor(process: PluginProcess, client: PluginClient, info: InitResponse, clock: Clock) {
    this.#process = process
    this.client = client
    this.info = info
    this.ended = process.ended
    this.#clock = clock
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /**
   * @throws `GroupError` when the process cannot be started or `Init` fails; the signal's reason. The process has then
   * ended.
   */
  static async start(options: SessionOptions, request: InitRequest, signal: AbortSignal): Promise<PluginSession> {
    const { tls, clock, logger, callTimeoutMs, file } = options
    const plugin = basename(file)
    const own = tls === 'off' ? undefined : await newSessionCertificate(clock.wallTime())
    const process = await PluginProcess.start({ ...options, certificate: own?.certificate }, signal)
    const { handshake } = process
    let client: PluginClient | undefined
    try {
      client = new PluginClient(handshake, own)
      if (handshake.certificate === undefined && tls === 'require') {
        throw new GroupError('invalid_config', `${plugin} does not speak TLS, which is required`)
      }
      if (handshake.certificate === undefined && tls === 'offer' && handshake.network === 'tcp') {
        logger.warn(
          { plugin, address: handshake.address },
          'plugin listens on TCP without TLS: every user of this machine can reach it',
        )
      }
      const tooLate = (): GroupError =>
        new GroupError('transient', `${plugin} did not answer Init within ${callTimeoutMs} ms`)
      using limit = deadline(clock, callTimeoutMs, tooLate, signal)
      const info = await untilAbort(
        Promise.race([
          client.call('Init', request, limit.signal).catch((error: unknown) => failLate(error, clock, limit.signal)),
          endedDuringInit(process.ended, plugin),
        ]),
        limit.signal,
      )
      logPrints(client, plugin, logger)
      return new PluginSession(process, client, info, clock)
    } catch (error) {
      client?.close()
      process.kill()
      await process.ended
      throw error
    }
  }

  /**
   * Calls `Shutdown` and ends the process, by force when it has not exited after two seconds.
   *
   * @throws the error of `Shutdown`; the process has ended all the same.
   */
  async end(callTimeoutMs: number): Promise<void> {
    try {
      const tooLate = (): GroupError =>
        new GroupError('transient', `the plugin did not answer Shutdown within ${callTimeoutMs} ms`)
      using limit = deadline(this.#clock, callTimeoutMs, tooLate)
      await untilAbort(this.client.call('Shutdown', {}, limit.signal), limit.signal)
    } catch (error) {
      // Plugins older than this method have nothing to release.
      if (!isUnimplemented(error)) throw error
    } finally {
      await this.#endProcess()
    }
  }

  /** Ends the process at once. */
  kill(): void {
    this.client.close()
    this.#process.kill()
  }

  async #endProcess(): Promise<void> {
    using limit = deadline(this.#clock, endTimeoutMs, () => new Error('the process continues'))
    this.client.endProcess(limit.signal).catch(() => {})
    await untilAbort(this.ended, limit.signal).catch(() => {})
    this.kill()
    await this.ended
  }
}

/**
 * Rejects with the error of a call, later where the process may have ended: its exit is noticed after the loss of the
 * connection and makes the better message.
 */
async function failLate(error: unknown, clock: Clock, signal: AbortSignal): Promise<never> {
  if (isGroupError(error) && error.code === 'transient') await delay(clock, endHeardMs, signal).catch(() => {})
  throw error
}

async function endedDuringInit(ended: Promise<string>, plugin: string): Promise<never> {
  throw new GroupError('transient', `${plugin} ended during Init (${await ended})`)
}

/** Logs what a Go plugin prints without its logger, which upstream's host drops. */
function logPrints(client: PluginClient, plugin: string, logger: Logger): void {
  const channel = (name: string): LineSplitter =>
    new LineSplitter((line) => logger.debug({ plugin, stream: name }, line))
  const channels = [undefined, channel('stdout'), channel('stderr')]
  const { signal } = new AbortController()
  const onMessage = ({ channel, data }: { readonly channel: number; readonly data: Uint8Array }): void =>
    channels[channel]?.write(data)
  client.prints(onMessage, signal).catch(() => {})
}
