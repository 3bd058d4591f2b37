import type { Clock } from '@runner-core/fleeting'
import type { Provisioner } from '@runner-core/fleeting/provisioner'
import { type Decision, DecisionLog } from '@runner-core/taskscaler'
import { instanceDecisions } from './instance-decisions.ts'
import { type JobHistory, withWait } from './job-history.ts'
import type { KeptRecord } from './kept-record.ts'

/** Where entries go that are to outlive the process. Must not throw. */
export interface RecordSink {
  decision(decision: Decision): void
  job(history: JobHistory): void
}

export interface FleetRecordOptions {
  readonly clock: Clock
  /** Hides secrets: reasons may hold a plugin's own words. */
  readonly redact: (text: string) => string
  readonly sink?: RecordSink | undefined
  /** Entries kept of each kind. Default 10,000. */
  readonly limit?: number
}

/** What was decided about one runner's fleet and what became of its jobs: the last of both, in memory. */
export class FleetRecord {
  readonly decisions: DecisionLog
  readonly #options: FleetRecordOptions
  readonly #limit: number
  readonly #jobs = new Map<string, JobHistory>()
  /** Instances whose removal has an entry: the scaling and the provisioner both tell of it. */
  readonly #removed = new Set<string>()

  constructor(options: FleetRecordOptions) {
    this.#options = options
    this.#limit = options.limit ?? 10_000
    this.decisions = new DecisionLog({ limit: this.#limit })
  }

  /** The last jobs that came, oldest first. */
  jobs(): Iterable<JobHistory> {
    return this.#jobs.values()
  }

  /** Goes on with what an earlier process kept. To be called before anything else is told. */
  restore({ decisions, jobs }: KeptRecord): void {
    for (const decision of decisions.slice(-this.#limit)) this.decisions.add(decision)
    for (const history of jobs.slice(-this.#limit)) this.#jobs.set(history.job, history)
  }

  readonly decided = (decision: Decision): void => {
    const { kind, instance } = decision
    if (instance !== undefined && kind === 'remove') {
      if (this.#removed.has(instance)) return
      this.#removed.add(instance)
    }
    if (instance !== undefined && (kind === 'gone' || kind === 'lost')) this.#removed.delete(instance)
    const kept = { ...decision, reason: this.#options.redact(decision.reason) }
    this.decisions.add(kept)
    this.#options.sink?.decision(kept)
  }

  /** Keeps what becomes of instances from now on. Returns how to stop. */
  watch(provisioner: Pick<Provisioner, 'instances' | 'onChange'>): () => void {
    const { clock } = this.#options
    for (const instance of provisioner.instances().values()) {
      for (const decision of instanceDecisions({ kind: 'seen', instance }, clock.now(), clock.wallTime()))
        this.decided(decision)
    }
    return provisioner.onChange((changes) => {
      for (const change of changes)
        for (const decision of instanceDecisions(change, clock.now(), clock.wallTime())) this.decided(decision)
    })
  }

  jobCame(job: string, queuedMs: number): void {
    if (this.#jobs.size >= this.#limit) this.#jobs.delete(this.#jobs.keys().next().value!)
    this.#jobs.set(job, { job, cameAt: this.#options.clock.wallTime(), queuedMs, waits: [] })
  }

  jobWaits(job: string, why: string): void {
    this.#change(job, (history, at) => withWait(history, at, this.#options.redact(why)))
    this.#keep(job)
  }

  jobPlaced(job: string, instance: string, place: string): void {
    this.#change(job, (history, at) => ({ ...history, placed: { at, instance, place } }))
    this.#keep(job)
  }

  jobEnded(job: string, how: string): void {
    this.#change(job, (history, at) => ({ ...history, ended: { at, how: this.#options.redact(how) } }))
    this.#keep(job)
  }

  #change(job: string, change: (history: JobHistory, at: number) => JobHistory): void {
    const history = this.#jobs.get(job)
    if (history !== undefined) this.#jobs.set(job, change(history, this.#options.clock.wallTime()))
  }

  #keep(job: string): void {
    const history = this.#jobs.get(job)
    if (history !== undefined) this.#options.sink?.job(history)
  }
}
