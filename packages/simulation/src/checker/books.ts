import type { HistoryRecord, TroubleKind } from './history.ts'

export interface RunBook {
  readonly run: string
  readonly machine: string
  readonly slot: string
  readonly job: string
  readonly attempt: string
  readonly script: string
  readonly startedAt: number
  readonly lines: string[]
  exit: number | 'killed' | undefined
  endedAt: number | undefined
  /** Whether processes of it live: it holds its slot. */
  lives: boolean
}

export interface AttemptBook {
  readonly attempt: string
  readonly to: string
  readonly handedOutAt: number
  readonly heard: boolean
  /** Somebody tried to accept it. */
  acceptTried: boolean
  acceptedAt: number | undefined
  /** What the coordinator stored. */
  trace: Buffer
  readonly runs: RunBook[]
}

export interface JobBook {
  readonly job: string
  readonly project: string | undefined
  readonly attempts: Map<string, AttemptBook>
  last: AttemptBook | undefined
  cancelAskedAt: number | undefined
  endedAt: number | undefined
  endState: 'success' | 'failed' | 'canceled' | undefined
}

export interface MachineBook {
  readonly machine: string
  readonly fleet: string
  readonly origin: 'asked' | 'strange'
  readonly token: string | undefined
  readonly existsSince: number
  state: 'exists' | 'lives' | 'dead' | 'gone'
  /** Whether a script has run on it. */
  used: boolean
  /** Left out of lists in a row, and since when; undefined: the last one showed it, or none has yet. */
  missed: { times: number; since: number } | undefined
  /** When a list first showed it. */
  listedAt: number | undefined
  /** Whether a list had shown by then, or showed too, which launch a machine came from. */
  wereLaunchesTold: boolean
  wasDeleted: boolean
  /** A list has left it out, after one had shown it. */
  wasMissed: boolean
  /** It was left out for so long that it may be taken for gone: for good, since what replaced it is there. */
  takenForGone: boolean
  /** The last list that showed it said that it is on its way out. */
  saidDeleting: boolean
}

/** See the record `made`. */
export interface ThingBook {
  readonly machine: string
  readonly thing: string
  readonly job: string | undefined
  readonly attempt: string | undefined
  readonly isStrange: boolean
  readonly madeAt: number
}

export interface FleetBook {
  readonly maxInstances: number
  readonly separatesProjects: boolean
  readonly resumes: boolean
  readonly tellsLaunches: boolean
  readonly disappearanceMs: number
}

export interface ProcessBook {
  readonly startedAt: number
  endedAt: number
  /** When it was told to stop. */
  stoppingAt: number
}

interface Touched {
  readonly machine?: string
  readonly job?: string
}

interface Trouble {
  readonly what: TroubleKind
  readonly machine: string | undefined
  readonly job: string | undefined
  readonly from: number
  to: number
}

export const onlyFleet = ''

/** What is less old may be lost with the power, milliseconds. */
const unsyncedMs = 1000

/**
 * So many machines missing at once, and more than half of all, are a mass: lists must agree so many times as long then,
 * and at least so long.
 */
const massMinimum = 3
const massFactor = 6
const shortestMassMs = 60_000

/**
 * What is known after the records so far, for all rules: who has which job, what runs where, which machines there are,
 * what troubles there were.
 */
export class Books {
  at: number = Number.NEGATIVE_INFINITY
  readonly fleets: Map<string, FleetBook> = new Map()
  readonly jobs: Map<string, JobBook> = new Map()
  readonly runs: Map<string, RunBook> = new Map()
  readonly machines: Map<string, MachineBook> = new Map()
  readonly processes: Map<string, ProcessBook> = new Map()
  /** On machines that are there. */
  readonly things: Map<string, ThingBook> = new Map()
  readonly #troubles: Trouble[] = []
  /** By fleet, since when so many machines are missing at once. */
  readonly #massSince = new Map<string, number>()
  /** By fleet, when a list first showed a machine with its launch. */
  readonly #launchesToldAt = new Map<string, number>()

  /**
   * Whether one of the kinds touched the machine or the job, or everything, at any time from `from` to `to`.
   * `anything`: whatever it touched.
   */
  wasTroubled(kinds: readonly TroubleKind[], touched: Touched | 'anything', from: number, to: number): boolean {
    return this.#troubles.some(
      (trouble) =>
        kinds.includes(trouble.what) &&
        trouble.from <= to &&
        trouble.to >= from &&
        (touched === 'anything' ||
          ((trouble.machine === undefined || trouble.machine === touched.machine) &&
            (trouble.job === undefined || trouble.job === touched.job))),
    )
  }

  /** Whether the managers' computer lost its power so soon after that what was to be kept then may be lost. */
  mayBeForgotten(at: number): boolean {
    return this.wasTroubled(['power'], {}, at, at + unsyncedMs)
  }

  /** Scripts whose processes live on the machine. */
  runsOn(machine: string): RunBook[] {
    return [...this.runs.values()].filter((run) => run.lives && run.machine === machine)
  }

  fleetOf(fleet: string): FleetBook | undefined {
    return this.fleets.get(fleet)
  }

  /** Answers what makes no sense in the history itself. */
  note(record: HistoryRecord): string | undefined {
    const before = this.at
    this.at = record.at
    if (record.at < before) return `it happened before what is told before it: ${JSON.stringify(record)}`
    switch (record.kind) {
      case 'story':
        this.fleets.set(record.fleet ?? onlyFleet, {
          maxInstances: record.maxInstances,
          separatesProjects: record.separatesProjects ?? false,
          resumes: record.resumes,
          tellsLaunches: record.tellsLaunches ?? true,
          disappearanceMs: record.disappearanceMs ?? 0,
        })
        return undefined
      case 'process':
        return this.#noteProcess(record)
      case 'trouble':
        return this.#noteTrouble(record)
      case 'job':
        this.jobs.set(record.job, {
          job: record.job,
          project: record.project,
          attempts: new Map(),
          last: undefined,
          cancelAskedAt: undefined,
          endedAt: undefined,
          endState: undefined,
        })
        return undefined
      case 'handed_out': {
        const job = this.jobs.get(record.job)
        if (job === undefined) return `${record.job} is handed out and never came`
        job.last = {
          attempt: record.attempt,
          to: record.to,
          handedOutAt: record.at,
          heard: record.heard,
          acceptTried: false,
          acceptedAt: undefined,
          trace: Buffer.alloc(0),
          runs: [],
        }
        job.attempts.set(record.attempt, job.last)
        return undefined
      }
      case 'accept_told': {
        const attempt = this.attempt(record.job, record.attempt)
        if (attempt === undefined) return undefined
        attempt.acceptTried = true
        if (record.answer === 'taken') attempt.acceptedAt ??= record.at
        return undefined
      }
      case 'cancel_asked': {
        const job = this.jobs.get(record.job)
        if (job !== undefined) job.cancelAskedAt ??= record.at
        return undefined
      }
      case 'script_started':
        return this.#noteStart(record)
      case 'line':
        this.runs.get(record.run)?.lines.push(record.text)
        return this.runs.has(record.run) ? undefined : `a line of ${record.run}, which never started`
      case 'script_ended': {
        const run = this.runs.get(record.run)
        if (run === undefined) return `${record.run} ends and never started`
        run.exit = record.exit
        run.endedAt = record.at
        run.lives = record.leftovers ?? false
        return undefined
      }
      case 'processes_ended': {
        const run = this.runs.get(record.run)
        if (run !== undefined) run.lives = false
        return undefined
      }
      case 'made': {
        const { machine, thing, job, strange: isStrange = false, at: madeAt } = record
        const attempt = job === undefined ? undefined : this.jobs.get(job)?.last?.attempt
        this.things.set(`${machine} ${thing}`, { machine, thing, job, attempt, isStrange, madeAt })
        return undefined
      }
      case 'removed': {
        const key = `${record.machine} ${record.thing}`
        return this.things.delete(key) ? undefined : `${key} is removed and was never made`
      }
      case 'machine':
        return this.#noteMachine(record)
      case 'delete_asked':
        for (const machine of record.machines) {
          const book = this.machines.get(machine)
          if (book !== undefined) book.wasDeleted = true
        }
        return undefined
      case 'listed':
        this.#noteList(record.fleet ?? onlyFleet, record.machines, record.deleting)
        return undefined
      default:
        return undefined
    }
  }

  attempt(job: string, attempt: string | undefined): AttemptBook | undefined {
    const book = this.jobs.get(job)
    return attempt === undefined ? book?.last : book?.attempts.get(attempt)
  }

  #noteProcess({ process, state, at }: HistoryRecord & { kind: 'process' }): string | undefined {
    if (state === 'started') {
      this.processes.set(process, {
        startedAt: at,
        endedAt: Number.POSITIVE_INFINITY,
        stoppingAt: Number.POSITIVE_INFINITY,
      })
      return undefined
    }
    const book = this.processes.get(process)
    if (book === undefined) return `process ${process} ends and never started`
    if (state === 'stopping') book.stoppingAt = at
    else {
      book.endedAt = at
      this.#forgetToldLaunches()
    }
    return undefined
  }

  /** What a process learned as it ended, or could not write, the next one does not know. */
  #forgetToldLaunches(): void {
    for (const [group, toldAt] of this.#launchesToldAt) {
      if (toldAt < this.at && !this.wasTroubled(['state'], {}, toldAt, this.at)) continue
      this.#launchesToldAt.delete(group)
      for (const book of this.machines.values())
        if (groupOf(book) === group && (book.listedAt ?? 0) >= toldAt) book.wereLaunchesTold = false
    }
  }

  #noteTrouble({ what, state, machine, job, at }: HistoryRecord & { kind: 'trouble' }): undefined {
    const open = this.#troubles.find(
      (trouble) =>
        trouble.what === what &&
        trouble.machine === machine &&
        trouble.job === job &&
        trouble.to === Number.POSITIVE_INFINITY,
    )
    if (state === 'ends') {
      if (open !== undefined) open.to = at
    } else if (state === 'happens') this.#troubles.push({ what, machine, job, from: at, to: at })
    else if (open === undefined) this.#troubles.push({ what, machine, job, from: at, to: Number.POSITIVE_INFINITY })
  }

  #noteStart(record: HistoryRecord & { kind: 'script_started' }): string | undefined {
    const attempt = this.attempt(record.job, record.attempt)
    if (attempt === undefined) return `a script of ${record.job} starts, which was handed out to nobody`
    const run: RunBook = {
      run: record.run,
      machine: record.machine,
      slot: record.slot,
      job: record.job,
      attempt: attempt.attempt,
      script: record.script ?? ownScript,
      startedAt: record.at,
      lines: [],
      exit: undefined,
      endedAt: undefined,
      lives: true,
    }
    this.runs.set(record.run, run)
    attempt.runs.push(run)
    const machine = this.machines.get(record.machine)
    if (machine === undefined) return `a script starts on ${record.machine}, which never was there`
    machine.used = true
    return undefined
  }

  #noteMachine(record: HistoryRecord & { kind: 'machine' }): string | undefined {
    const { machine, state } = record
    const book = this.machines.get(machine)
    if (book === undefined) {
      this.machines.set(machine, {
        machine,
        fleet: record.fleet ?? onlyFleet,
        origin: record.origin ?? 'asked',
        token: record.token,
        existsSince: record.at,
        state,
        used: false,
        missed: undefined,
        listedAt: undefined,
        wereLaunchesTold: false,
        wasDeleted: false,
        wasMissed: false,
        saidDeleting: false,
        takenForGone: false,
      })
      return undefined
    }
    if (book.state === 'gone') return `${machine} is gone, and is ${state}`
    book.state = state
    if (state === 'dead' || state === 'gone') {
      for (const run of this.runsOn(machine)) run.lives = false
      for (const [key, thing] of this.things) if (thing.machine === machine) this.things.delete(key)
    }
    return undefined
  }

  #noteList(fleet: string, listed: readonly string[], deleting: readonly string[] = []): void {
    const shown = new Set(listed)
    const { disappearanceMs = 0 } = this.fleets.get(fleet) ?? {}
    const expected = [...this.machines.values()].filter(
      (book) =>
        book.fleet === fleet &&
        book.state !== 'gone' &&
        book.state !== 'dead' &&
        book.listedAt !== undefined &&
        !book.wasDeleted,
    )
    const missing = expected.filter(({ machine }) => !shown.has(machine)).length
    // Many at once are more likely a list that is wrong.
    if (missing >= massMinimum && missing * 2 > expected.length)
      this.#massSince.set(fleet, this.#massSince.get(fleet) ?? this.at)
    else if (missing < massMinimum) this.#massSince.delete(fleet)
    const beliefMs = this.#massSince.has(fleet)
      ? Math.max(shortestMassMs, massFactor * disappearanceMs)
      : disappearanceMs
    // The process that asked for this list may have been killed before the answer.
    const isHeard = [...this.processes.values()].some(({ endedAt }) => endedAt > this.at)
    for (const machine of isHeard ? listed : []) {
      const book = this.machines.get(machine)
      if (book?.token === undefined || this.#launchesToldAt.has(groupOf(book))) continue
      this.#launchesToldAt.set(groupOf(book), this.at)
    }
    for (const book of this.machines.values()) {
      if (book.fleet !== fleet || book.state === 'gone') continue
      if (shown.has(book.machine)) {
        if (book.listedAt === undefined) book.wereLaunchesTold = this.#launchesToldAt.has(groupOf(book))
        book.listedAt ??= this.at
        book.missed = undefined
        book.saidDeleting = deleting.includes(book.machine)
      } else if (book.listedAt !== undefined) {
        book.wasMissed = true
        book.missed ??= { times: 0, since: this.at }
        book.missed.times += 1
        // After a delete, or its death, or where it was said to be on its way out, it is what everybody waits for.
        const isAwaited = book.wasDeleted || book.saidDeleting || book.state === 'dead'
        if (isAwaited || (book.missed.times >= 2 && this.at - book.missed.since >= beliefMs)) book.takenForGone = true
      }
    }
  }
}

/** The group that a machine is in: of several in one fleet each tells for itself whether it tells its launches. */
function groupOf({ fleet, machine }: Pick<MachineBook, 'fleet' | 'machine'>): string {
  const [member = ''] = machine.includes('/') ? machine.split('/') : []
  return `${fleet} ${member}`
}

/** The name of a job's own script. */
export const ownScript = 'step'
