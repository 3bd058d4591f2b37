import type { Journal, JournalTrouble, JsonValue, KeepOptions, StateChange } from '@runner-core/fleeting'
import type { JobPayload } from '@runner-core/job'
import type { Seal } from './seal.ts'

/** A job that was taken and whose end GitLab may not know. */
export interface JournalledJob {
  readonly payload: JobPayload
  /** Key of the acquisition, and before that of the reservation, that it has. */
  readonly acquisitionKey: string
  /** `Clock.wallTime()` when it was taken. */
  readonly takenAt: number
  /** How far it and its trace had come: a `HandledJobCheckpoint`. Absent: it had only been taken. */
  readonly checkpoint?: JsonValue
  /** How it ended: a `KeptEnd`. Its slot may have been given back. */
  readonly end?: JsonValue
}

/** What may follow after a job was taken. Each part has a record of its own, so that the payload is not written again with every piece of trace. */
const laterParts = ['acquisitionKey', 'checkpoint', 'end'] as const
export type LaterPart = (typeof laterParts)[number]

export interface JobJournalOptions {
  readonly journal: Journal
  readonly seal: Seal
  /** The runner's name: job ids are its coordinator's. */
  readonly runner: string
}

/**
 * The jobs under way, where the next process finds them. Everything is encrypted: payloads hold tokens and variables, and a masker's state may hold half a secret. What is awaited waits while state
 * cannot be written; it rejects with `FencedError` once another process has the fleet, and with the reason of its signal.
 */
export class JobJournal {
  readonly #journal: Journal
  readonly #seal: Seal
  readonly #prefix: string

  constructor({ journal, seal, runner }: JobJournalOptions) {
    this.#journal = journal
    this.#seal = seal
    this.#prefix = `${encodeURIComponent(runner)}/`
  }

  /** Why nothing can be kept now. */
  get trouble(): JournalTrouble | undefined {
    return this.#journal.trouble
  }

  /** Before the coordinator is told that we have the job: what is not kept goes back to its queue. */
  took(job: Pick<JournalledJob, 'payload' | 'acquisitionKey' | 'takenAt'>, wait: KeepOptions = {}): Promise<void> {
    return this.#journal.keep(() => [this.#change(`${job.payload.id}`, { ...job } as unknown as JsonValue)], wait)
  }

  /** Replaces what is known of a job that was taken, before something is done that must not be done twice. `take` is asked at each try. */
  keep(jobId: number, part: LaterPart, take: () => JsonValue, wait: KeepOptions = {}): Promise<void> {
    return this.#journal.keep(() => [this.#change(`${jobId}/${part}`, take())], wait)
  }

  /** The same for what nothing waits for; the `acquisitionKey` when it moved to another slot. */
  note(jobId: number, part: LaterPart, value: JsonValue): void {
    this.#journal.note(this.#change(`${jobId}/${part}`, value))
  }

  /** The coordinator knows how the job ended, or does not want to. */
  ended(jobId: number): void {
    this.#journal.note(...['', ...laterParts.map((part) => `/${part}`)].map((part) => this.#change(`${jobId}${part}`, null)))
  }

  /** See `Journal.settled`. */
  settled(): Promise<void> {
    return this.#journal.settled()
  }

  /** What earlier processes left. */
  async load(): Promise<readonly JournalledJob[]> {
    const values = new Map<string, JsonValue>()
    for (const { kind, key, value } of await this.#journal.load(['job'])) {
      if (key.startsWith(this.#prefix) && typeof value === 'string') values.set(key, JSON.parse(this.#seal.open(value, `${kind} ${key}`)))
    }
    const jobs: JournalledJob[] = []
    for (const [key, value] of values) {
      if (key.includes('/', this.#prefix.length)) continue
      const later = laterParts.flatMap((part) => (values.has(`${key}/${part}`) ? [[part, values.get(`${key}/${part}`)]] : []))
      jobs.push({ ...(value as unknown as JournalledJob), ...Object.fromEntries(later) })
    }
    return jobs
  }

  #change(name: string, value: JsonValue): StateChange {
    const key = this.#prefix + name
    return { kind: 'job', key, value: value === null ? null : this.#seal.seal(JSON.stringify(value), `job ${key}`) }
  }
}
