import type { FleetLease, JsonValue, StateChange } from '@runner-core/fleeting'
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
  readonly lease: FleetLease
  readonly seal: Seal
  /** The runner's name: job ids are its coordinator's. */
  readonly runner: string
}

/**
 * The jobs under way, where the next process finds them. Everything is encrypted: payloads hold tokens and variables, and a masker's state may hold half a secret. Every method rejects with `FencedError`
 * once another process has the fleet, and with `StateError`.
 */
export class JobJournal {
  readonly #lease: FleetLease
  readonly #seal: Seal
  readonly #prefix: string

  constructor({ lease, seal, runner }: JobJournalOptions) {
    this.#lease = lease
    this.#seal = seal
    this.#prefix = `${encodeURIComponent(runner)}/`
  }

  /** Before the coordinator is told that we have the job: what is not kept goes back to its queue. */
  took(job: Pick<JournalledJob, 'payload' | 'acquisitionKey' | 'takenAt'>): Promise<void> {
    return this.#lease.write([this.#change(`${job.payload.id}`, { ...job } as unknown as JsonValue)])
  }

  /** Replaces what is known of a job that was taken; the `acquisitionKey` when it moved to another slot. Written in the order of the calls; awaited by whoever must not go on before. */
  note(jobId: number, part: LaterPart, value: JsonValue): Promise<void> {
    return this.#lease.write([this.#change(`${jobId}/${part}`, value)])
  }

  /** The coordinator knows how the job ended, or does not want to. */
  ended(jobId: number): Promise<void> {
    return this.#lease.write(['', ...laterParts.map((part) => `/${part}`)].map((part) => this.#change(`${jobId}${part}`, null)))
  }

  /** What earlier processes left. */
  async load(): Promise<readonly JournalledJob[]> {
    const values = new Map<string, JsonValue>()
    for (const { kind, key, value } of await this.#lease.load(['job'])) {
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
