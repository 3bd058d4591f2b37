import type { Duplex } from 'node:stream'
import { type Clock, delay, type Random } from '../contract/clock.ts'
import type { Connection } from '../contract/connection.ts'
import { deadline } from '../contract/deadline.ts'
import { ConnectionError, isConnectionError } from '../contract/errors.ts'
import type { HostKeyPins } from '../contract/host-key-pins.ts'
import type { ConnectInfo, ConnectorConfig } from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import { type Address, chooseAddress, formatAddress } from './address.ts'
import type { DialTcp } from './dial-tcp.ts'
import { handshake } from './handshake.ts'
import { inHandshakeQueue } from './handshake-queue.ts'
import { HostKeys } from './host-keys.ts'
import { type Login, loginOf } from './login.ts'
import { SshConnection } from './ssh-connection.ts'

export interface SshDialerOptions {
  readonly connector: ConnectorConfig
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly dialTcp: DialTcp
  readonly hostKeyPins: HostKeyPins
}

/** Time limits within one try, in milliseconds: what never answers must not use up the whole budget. */
const tcpTimeoutMs = 10_000
const handshakeTimeoutMs = 30_000

/** Dials until a connection stands, the budget is spent, or another try cannot help. */
export class SshDialer {
  readonly #options: SshDialerOptions

  constructor(options: SshDialerOptions) {
    this.#options = options
  }

  async connect(info: ConnectInfo, signal: AbortSignal): Promise<Connection> {
    const { clock, random, logger } = this.#options
    const connector = { ...this.#options.connector, ...info.connector }
    const login = loginOf(info, connector)
    const address = chooseAddress(info, connector)
    const target = { instance: info.instanceId, address: formatAddress(address) }
    const timeoutMs = connector.timeoutMs ?? 600_000

    let lastError: Error | undefined
    const spent = (): ConnectionError =>
      new ConnectionError(
        'unreachable',
        `instance ${target.instance}: no SSH connection to ${target.address} within ${timeoutMs / 1000} s: ${lastError?.message ?? 'no answer'}`,
        { cause: lastError },
      )
    using budget = deadline(clock, timeoutMs, spent, signal)
    for (let attempt = 1; ; attempt += 1) {
      if (info.expiresAt !== undefined && info.expiresAt <= clock.wallTime()) {
        throw new ConnectionError('expired', `instance ${target.instance}: the connect info has expired`, {
          cause: lastError,
        })
      }
      try {
        return await inHandshakeQueue(target.address, budget.signal, () =>
          this.#try(info, address, login, connector, budget.signal),
        )
      } catch (error) {
        budget.signal.throwIfAborted()
        if (isFinal(error)) throw error
        lastError = error as Error
        logger.debug({ ...target, attempt, err: lastError }, 'SSH dial attempt failed')
      }
      await delay(clock, retryDelayMs(attempt, random), budget.signal)
    }
  }

  async #try(
    info: ConnectInfo,
    address: Address,
    login: Login,
    connector: ConnectorConfig,
    signal: AbortSignal,
  ): Promise<Connection> {
    const { clock, hostKeyPins } = this.#options
    const hostKeys = new HostKeys(connector.hostKeyChecking ?? 'pin', hostKeyPins)
    const expectedHostKeys = hostKeys.expected(info)
    const socket = await this.#dialTcp(address, signal)
    try {
      using limit = deadline(
        clock,
        handshakeTimeoutMs,
        () => new Error(`no SSH login within ${handshakeTimeoutMs} ms`),
        signal,
      )
      const { client, hostKey } = await handshake({
        socket,
        login,
        expectedHostKeys,
        allowsWeak: connector.weakAlgorithms === true,
        signal: limit.signal,
      })
      hostKeys.pin(info.instanceId, hostKey)
      return new SshConnection({
        client,
        socket,
        clock,
        keepaliveMs: connector.keepaliveMs ?? 30_000,
        machine: info.machine,
      })
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  async #dialTcp(address: Address, signal: AbortSignal): Promise<Duplex> {
    using limit = deadline(
      this.#options.clock,
      tcpTimeoutMs,
      () => new Error(`no TCP connection within ${tcpTimeoutMs} ms`),
      signal,
    )
    return await this.#options.dialTcp(address, limit.signal)
  }
}

/** Whether another try is pointless. What the stream below reports, when it is a connection's tunnel, may pass. */
function isFinal(error: unknown): boolean {
  return isConnectionError(error) && error.code !== 'channel_refused' && error.code !== 'connection_lost'
}

/**
 * 250 ms, doubled each time up to 3 s, less up to half of it by chance: a machine that boots is reached soon after it
 * can be, and a thousand don't dial in step.
 */
export function retryDelayMs(attempt: number, random: Random): number {
  return Math.min(3000, 250 * 2 ** (attempt - 1)) * (1 - random() / 2)
}
