import { getCompileCacheDir } from 'node:module'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { StateError } from '../state-store.ts'
import type { DatabaseLink } from './database-link.ts'
import type { DatabaseAnswer, DatabaseRequest } from './fleet-database-service.ts'

/** To the thread: of which database, and what. Absent: nothing more comes, it ends. */
export type ThreadRequest = readonly [database: number, request: DatabaseRequest] | undefined
export type ThreadAnswer = readonly [database: number, answer: DatabaseAnswer]

interface Asked {
  readonly resolve: (answer: DatabaseAnswer) => void
  readonly reject: (error: StateError) => void
}

const threads = new Map<string, DatabaseThread>()

/** To a database in the thread of its state directory. Its last request is `close`. */
export function threadLink(directory: string): DatabaseLink {
  const running = threads.get(directory)
  const thread = running === undefined || running.hasEnded ? new DatabaseThread(directory) : running
  threads.set(directory, thread)
  return new ThreadLink(thread)
}

class ThreadLink implements DatabaseLink {
  readonly #thread: DatabaseThread
  readonly #database: number

  constructor(thread: DatabaseThread) {
    this.#thread = thread
    this.#database = thread.link()
  }

  get hasEnded(): boolean {
    return this.#thread.hasEnded
  }

  async ask(request: DatabaseRequest): Promise<DatabaseAnswer> {
    try {
      return await this.#thread.ask(this.#database, request)
    } finally {
      if (request.call === 'close') this.#thread.unlink()
    }
  }
}

/**
 * Reads and writes the databases of one state directory, which share a disk. It keeps the process alive only while it
 * is asked, and ends with the last of them. If it ends otherwise, whether what it was asked is done is not known, and
 * nothing will be.
 */
class DatabaseThread {
  readonly #directory: string
  readonly #worker: Worker
  readonly #asked = new Map<number, Asked>()
  #links = 0
  #lastDatabase = 0
  #ended: StateError | undefined

  constructor(directory: string) {
    this.#directory = directory
    // In a checkout the sources run as they are, in a package what they compile to.
    const file = new URL(`./database-worker${extname(import.meta.url)}`, import.meta.url)
    // Where the sources are compiled once and kept, so are those of the thread: 15 MB and most of its start.
    const cache = getCompileCacheDir()
    this.#worker = new Worker(file, {
      name: 'state',
      ...(cache !== undefined && { env: { ...process.env, NODE_COMPILE_CACHE: cache } }),
    })
    this.#worker.on('message', ([database, answer]: ThreadAnswer) => this.#settle(database)?.resolve(answer))
    this.#worker.on('messageerror', (error) => this.#end(error))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', (code) => this.#end(new Error(`exit ${code}`)))
    this.#worker.unref()
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  /** The number of one database more. */
  link(): number {
    this.#links += 1
    this.#lastDatabase += 1
    return this.#lastDatabase
  }

  /** Ends with the last of them. */
  unlink(): void {
    this.#links -= 1
    if (this.#links > 0) return
    if (threads.get(this.#directory) === this) threads.delete(this.#directory)
    this.#worker.postMessage(undefined satisfies ThreadRequest)
  }

  ask(database: number, request: DatabaseRequest): Promise<DatabaseAnswer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      if (this.#asked.size === 0) this.#worker.ref()
      this.#asked.set(database, { resolve, reject })
      this.#worker.postMessage([database, request] satisfies ThreadRequest)
    })
  }

  #settle(database: number): Asked | undefined {
    const asked = this.#asked.get(database)
    this.#asked.delete(database)
    if (this.#asked.size === 0) this.#worker.unref()
    return asked
  }

  #end(cause: unknown): void {
    this.#ended ??= new StateError(
      'unavailable',
      `the thread that keeps the state in ${this.#directory} ended: ${String(cause)}`,
      {
        cause,
      },
    )
    for (const { reject } of this.#asked.values()) reject(this.#ended)
    this.#asked.clear()
  }
}
