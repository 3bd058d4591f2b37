import { ConnectionError, type ExecOptions, type Execution, type ExitStatus } from '@runner-core/fleeting'
import type { WorldProcess } from '../world-process.ts'

/** The machine's side of a connection. It may learn late, or never, that the other side is gone. */
export class Link {
  readonly #onClose = new Set<() => void>()
  #isOpen = true

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Called once, when the machine closes it or learns that it is over. */
  onClose(listener: () => void): void {
    if (this.#isOpen) this.#onClose.add(listener)
    else listener()
  }

  /** Ends what the machine has for it. Processes that it started live on. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const listener of this.#onClose) listener()
    this.#onClose.clear()
  }
}

/** What the machine has for the process at the other end, in order. */
type Event =
  | { readonly to: 'stdout' | 'stderr'; readonly bytes: Buffer }
  | { readonly exit: ExitStatus }
  | { readonly isLast: true }

/** A command's way from a process to a machine and back, on one connection. */
export class Channel {
  readonly execution: Execution
  /** Whether what the machine says can still reach somebody. */
  readonly isHeard: () => boolean
  readonly #process: WorldProcess
  readonly #options: ExecOptions
  readonly #events: Event[] = []
  readonly #onInput: ((line: Buffer) => void)[] = []
  readonly #onInputEnd: (() => void)[] = []
  readonly #exited: Deferred<ExitStatus> = deferred()
  readonly #closed: Deferred<ExitStatus> = deferred()
  #status: ExitStatus | undefined
  #isPassing = false
  /** Closed by the process, or with its connection. */
  #isCut = false
  #hasInputEnded = false

  constructor(process: WorldProcess, link: Link, options: ExecOptions) {
    this.#process = process
    this.#options = options
    this.isHeard = () => !this.#isCut && link.isOpen
    link.onClose(() => this.#endInput())
    this.execution = {
      exited: this.#exited.promise,
      closed: this.#closed.promise,
      kill: () => {},
      close: () => this.cut(new DOMException('the channel was closed', 'AbortError')),
    }
    const { signal } = options
    signal?.addEventListener('abort', () => this.cut(signal.reason), { once: true })
  }

  /**
   * Its input, piece by piece; `end` when there is no more: then, or when the machine learns that the channel is over.
   */
  read(piece: (bytes: Buffer) => void, end: () => void): void {
    this.#onInput.push(piece)
    if (this.#hasInputEnded) end()
    else this.#onInputEnd.push(end)
  }

  /** The process begins to send. */
  send(): void {
    const { stdin } = this.#options
    if (typeof stdin === 'string' || Buffer.isBuffer(stdin)) {
      this.#input(Buffer.from(stdin))
      this.#endInput()
    } else if (stdin === undefined) this.#endInput()
    else void this.#sendFrom(stdin)
  }

  /** The machine says something. */
  write(to: 'stdout' | 'stderr', bytes: Buffer | string): void {
    this.#push({ to, bytes: Buffer.from(bytes) })
  }

  /** The command has ended. */
  exit(status: ExitStatus): void {
    this.#push({ exit: status })
  }

  /** Nothing holds its output open any more. */
  close(): void {
    this.#push({ isLast: true })
  }

  /** The process closes it, or its connection has ended. */
  cut(reason: unknown): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#exited.reject(reason)
    this.#closed.reject(reason)
    this.#endInput()
  }

  async #sendFrom(stdin: AsyncIterable<Buffer>): Promise<void> {
    try {
      for await (const piece of stdin) {
        if (!this.isHeard() || !this.#process.isAlive) return
        this.#input(piece)
      }
    } catch {
      // Whoever feeds it says why elsewhere.
    }
    this.#endInput()
  }

  #input(bytes: Buffer): void {
    // Whoever begins to read now gets what follows.
    const readers = this.#onInput.slice()
    for (const piece of readers) piece(bytes)
  }

  #endInput(): void {
    if (this.#hasInputEnded) return
    this.#hasInputEnded = true
    for (const end of this.#onInputEnd) end()
  }

  #push(event: Event): void {
    if (!this.isHeard()) return
    this.#events.push(event)
    if (this.#isPassing) return
    this.#isPassing = true
    this.#process.deliver(() => void this.#pass())
  }

  /** One after the other: a sink that takes its time holds up the rest. */
  async #pass(): Promise<void> {
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
      if (this.#isCut || !this.#process.isAlive) break
      try {
        if ('bytes' in event) await this.#options[event.to]?.(event.bytes)
        else if ('exit' in event) {
          this.#status = event.exit
          this.#exited.resolve(event.exit)
        } else this.#closed.resolve(this.#status ?? { signal: 'KILL' })
      } catch (error) {
        this.cut(error)
      }
      if (this.#process.isFrozen) {
        this.#process.deliver(() => void this.#pass())
        return
      }
    }
    this.#isPassing = false
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

/** Nobody need ask. */
function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((settle, fail) => {
    resolve = settle
    reject = fail
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

/** As an SSH connection words it. */
export function lost(instanceId: string): ConnectionError {
  return new ConnectionError('connection_lost', `instance ${instanceId} does not answer`)
}
