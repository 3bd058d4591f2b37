import { TaskQueue } from '@runner-core/fleeting'
import {
  isFenced,
  type Journal,
  type JournalTrouble,
  type JsonValue,
  type KeepOptions,
  type StateChange,
  StateNamespace,
} from '@runner-core/fleeting/state'
import type { JobPayload } from '@runner-core/job'
import type { Seal } from './seal.ts'

/** A job that was taken and whose end GitLab may not know. */
export interface JournalledJob {
  readonly payload: JobPayload
  /** Key of the acquisition, and before that of the reservation, that it has. */
  readonly acquisitionKey: string
  /** `Clock.wallTime()` when it was taken. */
  readonly takenAt: number
  /** How far it and its trace had come: an `ActiveJobCheckpoint`. Absent: it had only been taken. */
  readonly checkpoint?: JsonValue
  /** How it ended: a `KeptEnd`. Its slot may have been given back. */
  readonly end?: JsonValue
  /** Two managers in a row died while they read it or took it up: nothing else of it was read. */
  readonly isPoison?: true
}

/**
 * What may follow after a job was taken. Each part has a record of its own, so that the payload is not written again
 * with every piece of trace.
 */
const laterParts = ['acquisitionKey', 'checkpoint', 'end'] as const
export type LaterPart = (typeof laterParts)[number]

/** Managers in a row that died under the mark of a job. */
const maxDeaths = 2

export interface JobJournalOptions {
  readonly journal: Journal
  readonly seal: Seal
  /** The runner's name: job ids are its coordinator's. */
  readonly runner: string
}

/** The runner's own records: each value is sealed. */
const jobRecords = new StateNamespace<{ readonly job: string }>({
  name: 'runner',
  version: 1,
  kinds: { job: { write: (sealed) => sealed, read: (value) => (typeof value === 'string' ? value : undefined) } },
})

/**
 * The jobs under way, where the next process finds them. Everything is encrypted: payloads hold tokens and variables,
 * and a masker's state may hold half a secret. What is awaited waits while state cannot be written; it rejects with
 * `FencedError` once another process has the fleet, and with the reason of its signal.
 */
export class JobJournal {
  readonly #journal: Journal
  readonly #seal: Seal
  readonly #prefix: string
  /** Managers in a row that died under the marks of jobs that were left. */
  readonly #deaths = new Map<number, number>()
  /** One job at a time is marked: a death says which. */
  readonly #marks = new TaskQueue(1)

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

  /**
   * Replaces what is known of a job that was taken, before something is done that must not be done twice, also after
   * a loss of power. `take` is asked at each try.
   */
  keep(jobId: number, part: LaterPart, take: () => JsonValue, wait: KeepOptions = {}): Promise<void> {
    return this.#journal.keep(() => [{ ...this.#change(`${jobId}/${part}`, take()), survives: 'power' }], wait)
  }

  /** The same for what nothing waits for; the `acquisitionKey` when it moved to another slot. */
  note(jobId: number, part: LaterPart, value: JsonValue): void {
    this.#journal.note(this.#change(`${jobId}/${part}`, value))
  }

  /** The coordinator knows how the job ended, or does not want to. */
  ended(jobId: number): void {
    this.#journal.note(
      ...['', '/mark', ...laterParts.map((part) => `/${part}`)].map((part) => this.#change(`${jobId}${part}`, null)),
    )
  }

  /** See `Journal.settled`. */
  settled(): Promise<void> {
    return this.#journal.settled()
  }

  /**
   * What earlier processes left. Each job is marked while it is read: one under whose mark two managers in a row died
   * is poison. Rejects as {@link mark} does.
   */
  async load(): Promise<readonly JournalledJob[]> {
    const sealed = new Map<string, Map<string, string>>()
    const records = await this.#journal.load(jobRecords.kinds)
    this.#journal.note(...jobRecords.claim(records))
    for (const { key, value } of jobRecords.read('job', records)) {
      if (!key.startsWith(this.#prefix)) continue
      const [id = '', part = ''] = key.slice(this.#prefix.length).split('/')
      const parts = sealed.get(id)
      if (parts === undefined) sealed.set(id, new Map([[part, value]]))
      else parts.set(part, value)
    }
    const jobs: JournalledJob[] = []
    for (const [id, parts] of sealed) {
      const open = (part: string): JsonValue | undefined => {
        const text = parts.get(part)
        const key = `${this.#prefix}${id}${part && `/${part}`}`
        return text === undefined ? undefined : JSON.parse(this.#seal.open(text, `job ${key}`))
      }
      const read = (names: readonly LaterPart[]): JournalledJob | undefined => {
        const job = open('') as JournalledJob | undefined
        return (
          job && {
            ...job,
            ...Object.fromEntries(names.filter((name) => parts.has(name)).map((name) => [name, open(name)])),
          }
        )
      }
      if (!parts.has('')) continue
      const mark = open('mark') as { readonly deaths: number } | undefined
      const deaths = mark === undefined ? 0 : mark.deaths + 1
      this.#deaths.set(Number(id), deaths)
      if (deaths >= maxDeaths) {
        jobs.push({ ...read(['acquisitionKey'])!, isPoison: true })
        continue
      }
      const unmark = await this.mark(Number(id))
      try {
        jobs.push(read(laterParts)!)
      } finally {
        unmark()
      }
    }
    return jobs
  }

  /**
   * Before something is done with what an earlier process left of a job that this process may die of: a manager that
   * dies between this and the call of what comes back is counted. One job at a time: others wait. Without a mark where
   * state cannot be written now. Rejects with `FencedError`.
   */
  async mark(jobId: number): Promise<() => void> {
    const end = await new Promise<() => void>((begin) => {
      void this.#marks.run(() => new Promise<void>((resolve) => begin(resolve)))
    })
    let isMarked = true
    const unmark = (): void => {
      if (!isMarked) return
      isMarked = false
      end()
      this.#journal.note(this.#change(`${jobId}/mark`, null))
    }
    try {
      await this.#journal.write([this.#change(`${jobId}/mark`, { deaths: this.#deaths.get(jobId) ?? 0 })])
    } catch (error) {
      if (isFenced(error)) {
        unmark()
        throw error
      }
    }
    return unmark
  }

  #change(name: string, value: JsonValue): StateChange {
    const key = this.#prefix + name
    return jobRecords.change('job', key, value === null ? null : this.#seal.seal(JSON.stringify(value), `job ${key}`))
  }
}
