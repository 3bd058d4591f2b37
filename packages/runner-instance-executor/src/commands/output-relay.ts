import { type Clock, type Connection, ConnectionError, type OutputSink } from '@runner-core/fleeting'
import { relayEnd, relayScript, type StartedOutput, StartMark } from '@runner-core/job'
import { lastOutputMs } from './last-output.ts'
import { UnwritableError } from './unwritable-error.ts'

export interface OutputRelayOptions {
  /** Where builds go on the instance: what is kept lies there too. */
  readonly buildsDir: string
  /** Bytes of a job's output that its machine keeps. */
  readonly limitBytes: number
  /** Unique, of letters and digits. */
  readonly name: string
  readonly clock: Clock
}

/**
 * The way that the output of detached scripts takes: a command beside them on the same connection, which passes it on
 * and keeps it on the machine. It serves one job at a time: what a job leaves behind may still print to it.
 */
export class OutputRelay {
  readonly name: string
  /** Rejects when it ends. */
  readonly #over: Promise<never>
  readonly #clock: Clock
  readonly #limitBytes: number
  readonly #closeInput: (last: string) => void
  readonly #closeChannel: () => void
  #job: { readonly sink: OutputSink; readonly onOver: (error: unknown) => void } | undefined
  /** Why it ended. */
  #end: { readonly error: unknown } | undefined
  #keptBytes = 0
  /** Whether it may say what belongs to nobody, or does not keep all any more. */
  #isSpent = false
  /** Whether it was told to remove what it kept. */
  #isEnding = false
  #isLost = false

  private constructor(
    { name, limitBytes, clock }: OutputRelayOptions,
    channel: Channel,
    port: { sink: OutputSink; onFault(): void },
  ) {
    this.name = name
    this.#limitBytes = limitBytes
    this.#clock = clock
    this.#closeInput = channel.closeInput
    this.#closeChannel = channel.close
    this.#over = channel.over
    this.#over.catch((error: unknown) => {
      this.#isLost = !this.#isEnding
      this.#isSpent = true
      this.#end = { error }
      this.#job?.onOver(error)
    })
    port.sink = (chunk) => this.#pass(chunk)
    port.onFault = () => (this.#isSpent = true)
  }

  /**
   * Undefined when the machine lacks what it needs, or has no room for another command on this connection. Rejects with
   * {@link UnwritableError}, `ConnectionError`, and the signal's reason.
   */
  static async open(
    connection: Connection,
    options: OutputRelayOptions,
    signal: AbortSignal,
  ): Promise<OutputRelay | undefined> {
    let closeInput!: (last: string) => void
    const lastInput = new Promise<string>((resolve) => (closeInput = resolve))
    async function* input(): AsyncGenerator<Buffer> {
      yield relayScript({ ...options, relay: options.name })
      yield Buffer.from(await lastInput)
    }
    const mark = new StartMark(options.name)
    let onStarted!: (begun: StartedOutput) => void
    const started = new Promise<StartedOutput>((resolve) => (onStarted = resolve))
    const port = { sink: (_chunk: Buffer): void | Promise<void> => {}, onFault: (): void => {} }
    let hasStarted = false
    const stdout: OutputSink = (chunk) => {
      if (hasStarted) return port.sink(chunk)
      const begun = mark.push(chunk)
      if (begun === undefined) return
      hasStarted = true
      onStarted(begun)
    }
    const opening = new AbortController()
    const onAbort = (): void => opening.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      signal.throwIfAborted()
      const execution = await connection.exec('exec sh', {
        stdin: input(),
        stdout,
        stderr: () => port.onFault(),
        signal: opening.signal,
      })
      const over = execution.closed.then((): never => {
        throw new Error('the program that relays the output of scripts has ended')
      })
      over.catch(() => {})
      const { kind, told } = await Promise.race([started, over])
      if (kind === 'unwritable') throw new UnwritableError(told)
      if (kind !== 'relay') {
        closeInput('')
        return undefined
      }
      return new OutputRelay(options, { closeInput, close: () => execution.close(), over }, port)
    } catch (error) {
      closeInput('')
      if (error instanceof ConnectionError && error.code === 'channel_refused') return undefined
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Bytes that it passed on of the job that it serves, each of which it keeps. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** Whether it may serve another job: it keeps all that it is given, and has nothing to say that belongs to nobody. */
  get isUsable(): boolean {
    return !this.#isSpent && this.#keptBytes < this.#limitBytes
  }

  /** It ended before it was told to: what it kept is still on the machine. */
  get isLost(): boolean {
    return this.#isLost
  }

  /** Serves a job from now on; its first script makes it forget what it kept of the one before. */
  begin(): void {
    this.#keptBytes = 0
  }

  /**
   * Gives what is printed from now on to `sink`, and tells when it ends, as a rule with its connection, until the
   * function that comes back is called.
   */
  listen(sink: OutputSink, onOver: (error: unknown) => void): () => void {
    this.#job = { sink, onOver }
    if (this.#end !== undefined) onOver(this.#end.error)
    return () => (this.#job = undefined)
  }

  /** It turned out to be of no use any more. */
  giveUp(): void {
    this.#isLost = true
    this.#isSpent = true
    this.#closeChannel()
  }

  /** Ends it, and removes what it kept. Resolves when that is done, or cannot be. */
  async end(): Promise<void> {
    if (this.#isLost) return
    this.#isSpent = true
    this.#isEnding = true
    this.#closeInput(relayEnd)
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(lastOutputMs, resolve)
      this.#over.catch(() => {
        cancel()
        resolve()
      })
    })
    // What was left behind may hold it for ever.
    this.#closeChannel()
  }

  #pass(chunk: Buffer): void | Promise<void> {
    this.#keptBytes += chunk.length
    if (this.#job !== undefined) return this.#job.sink(chunk)
    this.#isSpent = true
  }
}

interface Channel {
  readonly closeInput: (last: string) => void
  readonly close: () => void
  readonly over: Promise<never>
}
