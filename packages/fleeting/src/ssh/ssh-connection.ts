import type { Duplex } from 'node:stream'
import type { Client, ClientChannel } from 'ssh2'
import { type Clock, delay } from '../contract/clock.ts'
import type { Connection, DialTarget, ExecOptions, Execution } from '../contract/connection.ts'
import { deadline } from '../contract/deadline.ts'
import { ConnectionError } from '../contract/errors.ts'
import { TaskQueue } from '../contract/task-queue.ts'
import { KeepAlive } from './keep-alive.ts'
import { SshExecution } from './ssh-execution.ts'
import { closeUnusedChannels, ping } from './ssh2-internals.ts'
import { Tunnel } from './tunnel.ts'

export interface SshConnectionOptions {
  /** Logged in. */
  readonly client: Client
  readonly socket: Duplex
  readonly clock: Clock
  /** See `KeepAliveOptions.intervalMs`. */
  readonly keepaliveMs: number
  readonly machine?: string | undefined
}

/** OpenSSH's `MaxSessions` unless configured otherwise. */
const maxChannels = 10
/** How long a command waits for room. Bounded, so that what would end the others is not stuck behind them. */
const channelWaitMs = 10_000
/** Between two tries when the machine itself refuses. */
const refusedPauseMs = 20
/** How long a polite end may take. */
const goodbyeMs = 1000

/**
 * A connection to an SSH server. Commands have a channel each, 10 at most at a time: more wait for up to 10 s, then
 * `channel_refused`. Tunnels are not counted.
 */
export class SshConnection implements Connection {
  readonly machine: string | undefined
  readonly #client: Client
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #keepAlive: KeepAlive
  readonly #channels = new TaskQueue(maxChannels)
  readonly #executions = new Set<SshExecution>()
  readonly #tunnels = new Set<Tunnel>()
  readonly #listeners: ((reason: Error) => void)[] = []
  readonly #socketClosed: Promise<void>
  /** Channels and tunnels that are open or being opened. */
  #underWay = 0
  /** Why it ends as soon as nothing is under way. */
  #doubt: ConnectionError | undefined
  #ended: Error | undefined

  constructor({ client, socket, clock, keepaliveMs, machine }: SshConnectionOptions) {
    this.machine = machine
    this.#client = client
    this.#socket = socket
    this.#clock = clock
    this.#keepAlive = new KeepAlive({
      clock,
      intervalMs: keepaliveMs,
      isInUse: () => this.#underWay > 0,
      ask: () => ping(client, () => {}),
      onLost: (why) => this.#end(lost(why)),
    })
    this.#socketClosed = new Promise((resolve) => client.once('close', resolve))
    socket.on('data', () => this.#keepAlive.heard())
    const onEnd = (): void => this.#end(lost('the instance closed the connection'))
    client.on('error', (error: Error) => this.#end(lost(error.message, error)))
    client.once('end', onEnd).once('close', onEnd)
  }

  get ended(): Error | undefined {
    return this.#ended
  }

  get lastHeardAt(): number {
    return this.#keepAlive.lastHeardAt
  }

  onEnd(listener: (reason: Error) => void): void {
    if (this.#ended === undefined) this.#listeners.push(listener)
    else listener(this.#ended)
  }

  async exec(command: string, options: ExecOptions = {}): Promise<Execution> {
    options.signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended
    let refusal: Error | undefined
    const givenUp = (): Error =>
      refusal ?? new ConnectionError('channel_refused', `${maxChannels} commands are running already`)
    using limit = deadline(this.#clock, channelWaitMs, givenUp, options.signal)
    for (;;) {
      // Refused although we hold fewer than it may allow: it allows less, or has not cleaned up after the last one yet.
      if (refusal !== undefined) await delay(this.#clock, refusedPauseMs, limit.signal)
      try {
        return await this.#start(command, options, limit.signal)
      } catch (error) {
        refusal = ifFull(error)
      }
    }
  }

  dial(target: DialTarget): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const onChannel = (error: Error | undefined, channel: ClientChannel): void => {
        if (error !== undefined) {
          this.#concluded()
          reject(this.#refusal(error))
          return
        }
        const tunnel = new Tunnel(channel)
        this.#tunnels.add(tunnel)
        tunnel.once('close', () => {
          this.#tunnels.delete(tunnel)
          this.#concluded()
        })
        resolve(tunnel)
      }
      this.#underWay += 1
      this.#ask(() => {
        if ('socketPath' in target) this.#client.openssh_forwardOutStreamLocal(target.socketPath, onChannel)
        else this.#client.forwardOut('127.0.0.1', 0, target.host, target.port, onChannel)
      }, onChannel)
    })
  }

  check(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      const cancel = this.#clock.after(timeoutMs, () => {
        this.#doubt = lost(`no answer within ${timeoutMs} ms`)
        reject(this.#doubt)
        this.#endIfDoubted()
      })
      // Called, too, when the socket closes.
      ping(this.#client, () => {
        cancel()
        if (this.#ended === undefined) resolve()
        else reject(this.#ended)
      })
    })
  }

  async close(): Promise<void> {
    if (this.#ended === undefined) {
      // Their end is meant: no error, which would end the process where nobody listens.
      for (const tunnel of this.#tunnels) tunnel.destroy()
      this.#finish(lost('this side closed the connection'))
      this.#client.end()
      this.#clock.after(goodbyeMs, () => this.#socket.destroy())
    }
    await this.#socketClosed
  }

  /** Waits for a place among the channels until `wait` aborts, and keeps it until the machine closes its channel. */
  #start(command: string, options: ExecOptions, wait: AbortSignal): Promise<Execution> {
    return new Promise((resolve, reject) => {
      this.#channels.run(() => this.#open(command, options, resolve, reject), wait).catch(reject)
    })
  }

  /** Resolves once the channel is closed, or was refused. */
  #open(
    command: string,
    options: ExecOptions,
    resolve: (execution: Execution) => void,
    reject: (reason: unknown) => void,
  ): Promise<void> {
    const { signal } = options
    return new Promise((close) => {
      const onAbort = (): void => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      const onChannel = (error: Error | undefined, channel: ClientChannel): void => {
        signal?.removeEventListener('abort', onAbort)
        if (error !== undefined) {
          close()
          this.#concluded()
          closeUnusedChannels(this.#client)
          reject(this.#refusal(error))
          return
        }
        // Aborted meanwhile or not: an execution sees to the end of its channel.
        const execution = new SshExecution(this.#client, channel, options)
        this.#executions.add(execution)
        channel.once('close', () => {
          this.#executions.delete(execution)
          close()
          this.#concluded()
        })
        resolve(execution)
      }
      this.#underWay += 1
      this.#ask(() => this.#client.exec(command, onChannel), onChannel)
    })
  }

  /** ssh2 throws when the socket is closing already. */
  #ask(request: () => void, onChannel: (error: Error, channel: never) => void): void {
    try {
      request()
    } catch (error) {
      this.#end(lost((error as Error).message, error))
      onChannel(error as Error, undefined as never)
    }
  }

  /** Something that was under way is over. */
  #concluded(): void {
    this.#underWay -= 1
    this.#endIfDoubted()
  }

  #endIfDoubted(): void {
    if (this.#doubt !== undefined && this.#underWay === 0) this.#end(this.#doubt)
  }

  #refusal(error: Error): Error {
    return this.#ended ?? new ConnectionError('channel_refused', error.message, { cause: error })
  }

  #end(reason: ConnectionError): void {
    this.#finish(reason)
    this.#socket.destroy()
  }

  #finish(reason: ConnectionError): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#keepAlive.stop()
    for (const execution of this.#executions) execution.connectionEnded(reason)
    for (const tunnel of this.#tunnels) tunnel.destroy(reason)
    for (const listener of this.#listeners) listener(reason)
  }
}

function lost(message: string, cause?: unknown): ConnectionError {
  return new ConnectionError('connection_lost', `SSH connection lost: ${message}`, { cause })
}

/**
 * The error when it says that the machine has no room for another channel (RFC 4254 §5.1: connect failed, resource
 * shortage); throws any other.
 */
function ifFull(error: unknown): Error {
  const reason = ((error as Error).cause as { readonly reason?: unknown } | undefined)?.reason
  if (reason === 2 || reason === 4) return error as Error
  throw error
}
