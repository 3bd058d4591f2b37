import type { Duplex } from 'node:stream'
import { type Connection, ConnectionError, type Execution } from '@runner-core/fleeting'

/** Opens a socket to an Engine; resolves once it is connected. */
export type OpenSocket = () => Promise<Duplex>

/**
 * A connection to an Engine that is reached without a machine's login: `dial` leads to the Engine, whatever the target,
 * and there are no commands.
 */
export class EngineConnection implements Connection {
  readonly #open: OpenSocket
  readonly #streams = new Set<Duplex>()
  readonly #listeners: ((reason: Error) => void)[] = []
  #ended: Error | undefined

  constructor(open: OpenSocket) {
    this.#open = open
  }

  get ended(): Error | undefined {
    return this.#ended
  }

  async exec(): Promise<Execution> {
    throw new ConnectionError('channel_refused', 'an Engine runs no commands outside of containers')
  }

  async dial(): Promise<Duplex> {
    if (this.#ended !== undefined) throw this.#ended
    let stream: Duplex
    try {
      stream = await this.#open()
    } catch (cause) {
      throw new ConnectionError('channel_refused', `the Engine cannot be reached: ${(cause as Error).message}`, {
        cause,
      })
    }
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
    return stream
  }

  async check(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      const stream = await Promise.race([this.dial(), late])
      stream.destroy()
    } catch (cause) {
      const error = new ConnectionError('connection_lost', (cause as Error).message, { cause })
      if (this.#streams.size === 0) this.#end(error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  onEnd(listener: (reason: Error) => void): void {
    if (this.#ended === undefined) this.#listeners.push(listener)
    else listener(this.#ended)
  }

  async close(): Promise<void> {
    this.#end(new ConnectionError('connection_lost', 'the connection was closed'))
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    for (const stream of this.#streams) stream.destroy()
    for (const listener of this.#listeners) listener(reason)
  }
}
