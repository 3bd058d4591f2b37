import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CancelTimer, Clock, Logger } from '@runner-core/fleeting'
import type { Decision } from '@runner-core/taskscaler'
import type { RecordSink } from './fleet-record.ts'
import type { JobHistory } from './job-history.ts'

/** What is written together, and so what a killed process loses at most. */
const batchMs = 500
/** Then a new file is begun, and the one before the last goes. Some 10,000 entries. */
const largestBytes = 4 * 1024 * 1024
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
 * Writes a fleet's record beside its state, a line of JSON for each entry, in batches: nobody waits for it, and when it cannot be written the fleet goes on without. A job has a line each time it got
 * further; the last one counts, and those of one batch are one.
 */
export class RecordFile implements RecordSink {
  readonly #options: RecordFileOptions
  #decisions: Decision[] = []
  #jobs = new Map<string, JobHistory>()
  #cancel: CancelTimer | undefined
  #writing: Promise<void> = Promise.resolve()
  #hasFailed = false
  #isClosed = false

  constructor(options: RecordFileOptions) {
    this.#options = options
  }

  decision(decision: Decision): void {
    if (this.#isClosed) return
    this.#decisions.push(decision)
    this.#writeSoon()
  }

  job(history: JobHistory): void {
    if (this.#isClosed) return
    this.#jobs.set(history.job, history)
    this.#writeSoon()
  }

  /** Resolves when all is written, or cannot be. */
  flush(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    const entries: Entry[] = [...this.#decisions.map((decision) => ({ decision })), ...Array.from(this.#jobs.values(), (job) => ({ job }))]
    this.#decisions = []
    this.#jobs = new Map()
    if (entries.length > 0) this.#writing = this.#writing.then(() => this.#write(entries))
    return this.#writing
  }

  /** Keeps what is said from now on to itself: another process writes the record. */
  close(): void {
    this.#isClosed = true
  }

  #writeSoon(): void {
    this.#cancel ??= this.#options.clock.after(batchMs, () => void this.flush())
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
      if (!this.#hasFailed) logger.warn({ error, path }, 'decisions cannot be written down')
      this.#hasFailed = true
    }
  }
}

/** A fleet's record as it was kept: oldest first. */
export interface KeptRecord {
  readonly decisions: readonly Decision[]
  readonly jobs: readonly JobHistory[]
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
