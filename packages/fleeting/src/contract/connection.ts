import type { Duplex } from 'node:stream'

/**
 * How a command ended on the machine: by its own exit code, or by a signal's name (`"KILL"`). A lost connection is
 * neither: it is a `ConnectionError`.
 */
export type ExitStatus = { readonly code: number } | { readonly signal: string }

/**
 * Takes output as it comes. While a returned promise is pending, no more is read: back-pressure reaches the machine.
 */
export type OutputSink = (chunk: Buffer) => void | Promise<void>

export interface ExecOptions {
  /** Sent to the command's standard input, which is then closed. Default: empty and closed at once. */
  readonly stdin?: Buffer | string | AsyncIterable<Buffer>
  /** Default: read and thrown away. */
  readonly stdout?: OutputSink
  /** Default: read and thrown away. */
  readonly stderr?: OutputSink
  /**
   * Aborting closes the channel: `exited` and `closed` reject with the signal's reason. What the command started may
   * live on; ending it is the caller's business.
   */
  readonly signal?: AbortSignal
}

/**
 * A command under way. Both promises reject with `connection_lost` when the connection ends first; neither needs a
 * handler of its own.
 */
export interface Execution {
  /**
   * Settles as soon as the command's own end is known, even while something that it left behind still holds its output
   * open.
   */
  readonly exited: Promise<ExitStatus>
  /** Settles when the command has ended and all its output was handed to the sinks. */
  readonly closed: Promise<ExitStatus>
  /**
   * Asks the machine to send a signal, such as `"TERM"`, to the command. Best effort: old servers ignore it, and
   * OpenSSH may where root logs in.
   */
  kill(signalName: string): void
  /**
   * Closes the channel; the connection stays. What has not settled rejects with an `AbortError`; what the command
   * started may live on.
   */
  close(): void
}

/** Where `Connection.dial` leads, seen from the machine. */
export type DialTarget = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/** What a group's machines are reached by. Many commands may run at once; each has a channel of its own. */
export interface Connection {
  /**
   * Starts a command with the machine's login shell; resolves once the machine accepted it. Thrown: `ConnectionError`
   * `connection_lost`, `channel_refused`.
   */
  exec(command: string, options?: ExecOptions): Promise<Execution>
  /**
   * Opens a byte stream to a TCP port or Unix socket as seen from the machine. Like a socket it emits `error` when the
   * connection is lost. Thrown: `ConnectionError` `connection_lost`, or `channel_refused` when nothing listens there or
   * the machine does not forward.
   */
  dial(target: DialTarget): Promise<Duplex>
  /**
   * Resolves when one small round trip succeeded; rejects with `connection_lost` after `timeoutMs` without an answer.
   * The connection is then closed; one on which something is under way only when that is over: its machine may be slow,
   * and somebody else's question is no reason to lose that work.
   */
  check(timeoutMs: number): Promise<void>
  /** The machine's name: `ConnectInfo.machine`. Absent: none but that of its instance. */
  readonly machine?: string | undefined
  /**
   * `Clock.now()` when the machine last sent anything; where it is recent, a check can be spared. Absent: always check.
   */
  readonly lastHeardAt?: number
  /** Undefined while the connection can be used; afterwards why it ended. */
  readonly ended: Error | undefined
  /** Calls `listener` once when the connection ends, at once if it has ended. */
  onEnd(listener: (reason: Error) => void): void
  /** Ends the connection and everything on it. Idempotent. */
  close(): Promise<void>
}
