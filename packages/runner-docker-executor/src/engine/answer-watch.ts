import type { Clock } from '@runner-core/fleeting'
import type Docker from 'dockerode'
import type { Engine } from './engine.ts'
import { EngineError } from './engine-error.ts'

export interface AnswerWatchOptions {
  /** From an answer to the next question, milliseconds. */
  readonly intervalMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** How long an Engine may take to answer, milliseconds: one that is busy answers this in less than a second. */
const answerLimitMs = 30_000

/**
 * Asks an Engine again and again whether it answers. Its signal aborts with `EngineError` `unreachable` once it does
 * not, and together with its parent.
 */
export class AnswerWatch implements Disposable {
  readonly signal: AbortSignal
  readonly #engine: Engine
  readonly #options: AnswerWatchOptions
  readonly #silence = new AbortController()
  readonly #end = new AbortController()
  #cancel = (): void => {}

  constructor(engine: Engine, options: AnswerWatchOptions) {
    this.#engine = engine
    this.#options = options
    this.signal = AbortSignal.any([options.signal, this.#silence.signal])
    this.#wait()
  }

  [Symbol.dispose](): void {
    this.#cancel()
    this.#end.abort()
  }

  #wait(): void {
    const { clock, intervalMs } = this.#options
    this.#cancel = clock.after(intervalMs, () => void this.#ask())
  }

  async #ask(): Promise<void> {
    let failure = await this.#failure()
    // A connection that was kept from an earlier call may have been closed meanwhile. Then another one is opened.
    if (failure?.code === 'unreachable') failure = await this.#failure()
    if (this.#end.signal.aborted) return
    if (failure === undefined) this.#wait()
    else this.#silence.abort(new EngineError('unreachable', failure.message, { cause: failure }))
  }

  /** Why there is no answer; any answer is one. */
  async #failure(): Promise<EngineError | undefined> {
    // The type lacks the options.
    const ping = (docker: Docker, abortSignal: AbortSignal): Promise<unknown> =>
      (docker as unknown as { ping(options: object): Promise<unknown> }).ping({ abortSignal })
    try {
      await this.#engine.call('asking whether it answers', this.#end.signal, ping, answerLimitMs)
      return undefined
    } catch (error) {
      return error instanceof EngineError && error.status === undefined ? error : undefined
    }
  }
}
