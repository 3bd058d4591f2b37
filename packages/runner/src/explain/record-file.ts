import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type CancelTimer, type Clock, delay, type Logger } from '@runner-core/fleeting'
import type { Decision } from '@runner-core/taskscaler'
import type { RecordSink } from './fleet-record.ts'
import type { JobHistory } from './job-history.ts'
import type { KeptRecord } from './kept-record.ts'

/** What is written together, and so what a killed process loses at most. */
const batchMs = 500
/** Then a new file is begun, and the one before the last goes. Some 10,000 entries. */
const largestBytes = 4 * 1024 * 1024
/** Entries of each kind that wait while a file system does not answer; older ones are left out. */
const maxWaiting = 10_000
/** A stop waits no longer than this for a file system that does not answer. */
const maxFlushMs = 5_000
const fileName = 'decisions.jsonl'
const olderName = 'decisions.1.jsonl'

type Entry = { readonly decision: Decision } | { readonly job: JobHistory }

export interface RecordFileOptions {
  /** The fleet's directory below `state_dir`. Made, with 0700, when there is something to write. */
  readonly directory: string
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Writes a fleet's record beside its state, a line of JSON for each entry, in batches: nobody waits for it, and when it
 * cannot be written the fleet goes on without. A job has a line each time it got further; the last one counts, and
 * those of one batch are one.
 */
export class RecordFile implements RecordSink {
  readonly #options: RecordFileOptions
  #decisions: Decision[] = []
  #jobs = new Map<string, JobHistory>()
  #cancel: CancelTimer | undefined
  #writing: Promise<void> | undefined
  #hasFailed = false
  #isClosed = false

  constructor(options: RecordFileOptions) {
    this.#options = options
  }

  decision(decision: Decision): void {
    if (this.#isClosed) return
    this.#decisions.push(decision)
    if (this.#decisions.length > maxWaiting) this.#decisions.shift()
    this.#writeSoon()
  }

  job(history: JobHistory): void {
    if (this.#isClosed) return
    this.#jobs.set(history.job, history)
    if (this.#jobs.size > maxWaiting) this.#jobs.delete(this.#jobs.keys().next().value!)
    this.#writeSoon()
  }

  /** Resolves when all is written, or cannot be, in five seconds at most. */
  async flush(): Promise<void> {
    const patience = new AbortController()
    await Promise.race([this.#writeAll(), delay(this.#options.clock, maxFlushMs, patience.signal).catch(() => {})])
    patience.abort()
  }

  /** Keeps what is said from now on to itself: another process writes the record. */
  close(): void {
    this.#isClosed = true
  }

  #writeSoon(): void {
    this.#cancel ??= this.#options.clock.after(batchMs, () => void this.#writeAll())
  }

  /** One write at a time: what comes meanwhile is the next batch. */
  #writeAll(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    this.#writing ??= this.#writeBatches().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  async #writeBatches(): Promise<void> {
    while (this.#decisions.length + this.#jobs.size > 0) {
      const jobs = Array.from(this.#jobs.values(), (job) => ({ job }))
      const entries: Entry[] = [...this.#decisions.map((decision) => ({ decision })), ...jobs]
      this.#decisions = []
      this.#jobs = new Map()
      await this.#write(entries)
    }
  }

  async #write(entries: readonly Entry[]): Promise<void> {
    const { directory, logger } = this.#options
    const path = join(directory, fileName)
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const size = await stat(path).then(
        (status) => status.size,
        () => 0,
      )
      if (size >= largestBytes) await rename(path, join(directory, olderName))
      // A torn line of a process that was killed stays on a line of its own.
      await appendFile(path, `\n${entries.map((entry) => JSON.stringify(entry)).join('\n')}\n`, { mode: 0o600 })
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed) logger.warn({ error, path }, 'decisions cannot be written')
      this.#hasFailed = true
    }
  }
}

/** Reads what {@link RecordFile} wrote. Empty when there is nothing; what is no entry is left out. */
export async function readRecord(directory: string): Promise<KeptRecord> {
  const decisions: Decision[] = []
  const jobs = new Map<string, JobHistory>()
  for (const name of [olderName, fileName]) {
    const text = await readFile(join(directory, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    for (const line of text.split('\n')) {
      const entry = parseEntry(line)
      if (entry === undefined) continue
      if ('decision' in entry) decisions.push(entry.decision)
      else jobs.set(entry.job.job, entry.job)
    }
  }
  return { decisions, jobs: [...jobs.values()] }
}

function parseEntry(line: string): Entry | undefined {
  try {
    const entry = line === '' ? undefined : (JSON.parse(line) as Partial<Record<'decision' | 'job', unknown>> | null)
    return typeof entry?.decision === 'object' || typeof entry?.job === 'object' ? (entry as Entry) : undefined
  } catch {
    return undefined
  }
}
