import type { Duplex } from 'node:stream'
import type { Connection, ExecOptions, Execution, ExitStatus } from '../contract/connection.ts'
import { ConnectionError } from '../contract/errors.ts'

/** What a scripted command does. */
export interface MemoryCommandResult {
  readonly stdout?: string
  readonly stderr?: string
  /** Default: exit code 0. */
  readonly exit?: ExitStatus
}

/** Plays the machine's shell: answers a command, perhaps later. */
export type MemoryShell = (command: string, instanceId: string) => MemoryCommandResult | Promise<MemoryCommandResult>

/** Answers `echo WORDS`, `exit N`, `true` and `false`; anything else ends with 127. */
export const simpleShell: MemoryShell = (command) => {
  const [word, ...rest] = command.trim().split(/\s+/)
  if (word === 'echo') return { stdout: `${rest.join(' ').replaceAll(/['"]/g, '')}\n` }
  if (word === 'exit') return { exit: { code: Number(rest[0] ?? 0) } }
  if (word === 'true') return {}
  if (word === 'false') return { exit: { code: 1 } }
  return { stderr: `${word}: command not found\n`, exit: { code: 127 } }
}

/** A connection whose commands a function answers, and which a test can drop. */
export class MemoryConnection implements Connection {
  readonly instanceId: string
  readonly #shell: MemoryShell
  readonly #listeners = new Set<(reason: Error) => void>()
  #ended: Error | undefined

  constructor(instanceId: string, shell: MemoryShell) {
    this.instanceId = instanceId
    this.#shell = shell
  }

  get ended(): Error | undefined {
    return this.#ended
  }

  async exec(command: string, options: ExecOptions = {}): Promise<Execution> {
    if (this.#ended !== undefined) throw this.#ended
    options.signal?.throwIfAborted()
    const controls = {} as { settle(status: ExitStatus): void; fail(reason: unknown): void }
    const cut = new Promise<ExitStatus>((settle, fail) => Object.assign(controls, { settle, fail }))
    this.onEnd((reason) => controls.fail(reason))
    options.signal?.addEventListener('abort', () => controls.fail(options.signal?.reason), { once: true })
    const closed = Promise.race([this.#run(command, options), cut])
    closed.catch(() => {})
    return {
      exited: closed,
      closed,
      kill: (signal) => controls.settle({ signal }),
      close: () => controls.fail(new ConnectionError('connection_lost', 'the channel was closed')),
    }
  }

  async #run(command: string, { stdout, stderr }: ExecOptions): Promise<ExitStatus> {
    const result = await this.#shell(command, this.instanceId)
    if (result.stdout !== undefined) await stdout?.(Buffer.from(result.stdout))
    if (result.stderr !== undefined) await stderr?.(Buffer.from(result.stderr))
    return result.exit ?? { code: 0 }
  }

  async dial(): Promise<Duplex> {
    throw new ConnectionError('unreachable', 'a memory connection leads nowhere')
  }

  async check(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended
  }

  onEnd(listener: (reason: Error) => void): void {
    if (this.#ended !== undefined) listener(this.#ended)
    else this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    this.#end(new ConnectionError('connection_lost', 'the connection was closed'))
  }

  /** The network or the machine ends it. */
  drop(reason: Error = new ConnectionError('connection_lost', `instance ${this.instanceId} does not answer`)): void {
    this.#end(reason)
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    for (const listener of this.#listeners) listener(reason)
    this.#listeners.clear()
  }
}
