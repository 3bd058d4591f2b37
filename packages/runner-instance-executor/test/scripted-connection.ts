import type { Duplex } from 'node:stream'
import {
  type Connection,
  ConnectionError,
  type ExecOptions,
  type Execution,
  type ExitStatus,
} from '@runner-core/fleeting'

/** A command that a test lets print and end as it likes. */
export interface ScriptedCommand {
  readonly command: string
  readonly options: ExecOptions
  print(text: string): void
  /** The command itself ends; its output stays open. */
  exit(status: ExitStatus): void
  /** Its output is closed too. */
  close(): void
  fail(error: Error): void
  readonly isClosedByUs: () => boolean
}

/** A connection whose commands do nothing but what a test says. Aborting a command's signal fails it, as over SSH. */
export class ScriptedConnection implements Connection {
  readonly commands: ScriptedCommand[] = []
  /** Thrown by the next `exec`. */
  refusal: Error | undefined
  /** `exec` resolves no earlier. */
  accepting: Promise<void> = Promise.resolve()
  ended: Error | undefined
  /** Answers of the kill script, the next one first; a missing one: it never ends. */
  readonly killAnswers: string[] = []

  async exec(command: string, options: ExecOptions = {}): Promise<Execution> {
    if (this.ended !== undefined) throw this.ended
    if (this.refusal !== undefined) throw this.refusal
    const exited = settleable<ExitStatus>()
    const closed = settleable<ExitStatus>()
    let status: ExitStatus = { code: 0 }
    let isClosedByUs = false
    const scripted: ScriptedCommand = {
      command,
      options,
      print: (text) => void options.stdout?.(Buffer.from(text)),
      exit: (given) => {
        status = given
        exited.resolve(given)
      },
      close: () => closed.resolve(status),
      fail: (error) => {
        exited.reject(error)
        closed.reject(error)
      },
      isClosedByUs: () => isClosedByUs,
    }
    const onAbort = (): void => scripted.fail(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    await this.accepting
    options.signal?.throwIfAborted()
    this.commands.push(scripted)
    if (command === 'exec sh') this.#answerKill(scripted)
    const close = (): void => {
      isClosedByUs = true
      scripted.fail(new Error('closed'))
    }
    return { exited: exited.promise, closed: closed.promise, kill: () => {}, close }
  }

  /** The network or the machine ends it. */
  drop(): void {
    this.ended = new ConnectionError('connection_lost', 'reset by peer')
    for (const command of this.commands) command.fail(this.ended)
  }

  dial(): Promise<Duplex> {
    return Promise.reject(new ConnectionError('channel_refused', 'no tunnels'))
  }

  async check(): Promise<void> {}
  onEnd(): void {}
  async close(): Promise<void> {}

  #answerKill(kill: ScriptedCommand): void {
    const answer = this.killAnswers.shift()
    if (answer === undefined) return
    kill.print(answer)
    kill.exit({ code: 0 })
    for (const other of this.commands) if (other !== kill) other.exit({ signal: 'TERM' })
  }
}

export interface Settleable<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** A promise that a test settles. Nobody need listen to it. */
export function settleable<T>(): Settleable<T> {
  const settle = {} as { resolve: (value: T) => void; reject: (error: unknown) => void }
  const promise = new Promise<T>((resolve, reject) => Object.assign(settle, { resolve, reject }))
  promise.catch(() => {})
  return { promise, ...settle }
}
