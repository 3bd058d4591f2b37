import { type Books, onlyFleet } from './books.ts'
import type { HistoryRecord, TroubleKind } from './history.ts'
import type { CreateRule } from './rule.ts'

/**
 * What changed so long ago may not be known yet, and what was decided may take so long to reach the cloud,
 * milliseconds.
 */
const slackMs = 60_000
/**
 * Who just started may not know yet what the process before it did not do, nor anybody what became of a call without an
 * answer, milliseconds.
 */
const settledMs = 150_000

/** What was launched is given up once it did not appear for so long, and a list was read. */
const appearMs = 180_000

/** For these launches may back off. */
const failing: ReadonlySet<TroubleKind> = new Set([
  'cloud',
  'boot',
  'interrupted',
  'state',
  'misreported',
  'unreachable',
  'machine_disk',
])

/** What a text says that can be held against what happened. */
interface WaitClaims {
  /** Instances that are being made. */
  readonly making?: number
  /** Instances that are there, where that is why no more are made. */
  readonly existing?: number
  /** Why no more are made: the cloud refused, what it made did not work, or no intent could be written. */
  readonly saysCloudFails?: boolean
  readonly saysStateFails?: boolean
}

function claimsOf(text: string): WaitClaims {
  const making = /(\d+|no) instances? (?:is|are) starting/i.exec(text)?.[1]
  const existing = /is reached: existing: (\d+)/.exec(text)?.[1]
  return {
    ...(making !== undefined && { making: making.toLowerCase() === 'no' ? 0 : Number(making) }),
    ...(existing !== undefined && { existing: Number(existing) }),
    // What did not appear may have been taken away by somebody else, and who stood still has had no answer in time.
    ...(/launches (back off after|are stopped|are on trial)/.test(text) &&
      !/\(expired: |the state store did not answer within/.test(text) && { saysCloudFails: true }),
    ...(/state cannot be written/.test(text) && { saysStateFails: true }),
  }
}

interface Sample {
  readonly at: number
  /** Machines that are made or may be: asked for and not there yet, or there and never used. */
  readonly most: number
  /** Machines that lists have shown for a while and that do not live yet. */
  readonly least: number
  readonly existing: number
}

interface Claim {
  readonly record: HistoryRecord & { kind: 'wait_told' }
  readonly claims: WaitClaims
  most: number
}

/**
 * Why a job waits is true when the job is told: what is said of instances and of the cloud is held against what the
 * cloud did, with time for news to travel both ways.
 */
export const reasonsAreTrue: CreateRule = (report) => {
  const fleets = new Map<string, FleetWatch>()
  const watchOf = (fleet: string): FleetWatch => {
    const watch = fleets.get(fleet) ?? new FleetWatch(fleet)
    fleets.set(fleet, watch)
    return watch
  }
  const open: Claim[] = []
  let hasCloudFailed = false
  return {
    see(record, books) {
      for (const { most, record: told, claims } of takeDue(open, record, books))
        if (claims.making !== undefined && claims.making > most)
          report(
            'reason not true',
            `${told.job} was told at ${told.at}: "${told.text}"; at most ${most} were starting then`,
          )
      if (record.kind === 'launch_asked') watchOf(record.fleet ?? onlyFleet).asked(record.token, record.count)
      if (record.kind === 'launch_decided')
        for (const watch of fleets.values()) watch.decided(record.token, record.accepted, record.at)
      if (record.kind === 'launch_decided' && record.error !== undefined) hasCloudFailed = true
      if (record.kind === 'process' && record.state === 'killed')
        for (const watch of fleets.values()) watch.processKilled(books)
      if (record.kind === 'trouble' && record.what === 'power')
        for (const watch of fleets.values()) watch.powerLost(books)
      if (record.kind === 'machine')
        watchOf(record.fleet ?? books.machines.get(record.machine)?.fleet ?? onlyFleet).machineChanged(record, books)
      if (record.kind === 'delete_asked') for (const watch of fleets.values()) watch.deleted(record.machines)
      if (record.kind === 'trouble' && failing.has(record.what)) hasCloudFailed = true
      for (const [fleet, watch] of fleets) {
        const sample = watch.sample(books)
        for (const claim of open)
          if ((claim.record.fleet ?? onlyFleet) === fleet) claim.most = Math.max(claim.most, sample.most)
      }
      if (record.kind !== 'wait_told') return
      // What is removed next, and not made any more.
      for (const [, machine = ''] of record.text.matchAll(/instance (\S+): stuck in state creating/g))
        watchOf(record.fleet ?? onlyFleet).deleted([machine])
      const claims = claimsOf(record.text)
      const watch = watchOf(record.fleet ?? onlyFleet)
      const { most, least, existing } = watch.window(books)
      const say = (truth: string): void =>
        report('reason not true', `${record.job} was told: "${record.text}"; ${truth}`)
      const isJudged = !isUnsettled(record, books)
      if (isJudged && claims.making !== undefined && claims.making < least) say(`${least} were starting`)
      if (isJudged && claims.existing !== undefined && claims.existing > existing) say(`there were at most ${existing}`)
      if (claims.saysCloudFails && !hasCloudFailed) say('the cloud has refused nothing')
      if (claims.saysStateFails && !books.wasTroubled(['state'], {}, record.at - slackMs, record.at))
        say('state could be written')
      if (isJudged && claims.making !== undefined) open.push({ record, claims, most })
    },
  }
}

function isUnsettled({ by, at }: Claim['record'], books: Books): boolean {
  const { startedAt = Number.NEGATIVE_INFINITY } = books.processes.get(by) ?? {}
  return (
    at - startedAt < settledMs ||
    books.wasTroubled(['cloud', 'state', 'boot', 'misreported'], 'anything', at - settledMs, at)
  )
}

/** Claims whose time to come true is over; those of a process that ended before are nobody's. */
function takeDue(open: Claim[], record: HistoryRecord, books: Books): Claim[] {
  const due: Claim[] = []
  while (open.length > 0 && record.at > open[0]!.record.at + slackMs) {
    const claim = open.shift()!
    const { by, at } = claim.record
    const { endedAt = Number.POSITIVE_INFINITY, stoppingAt = Number.POSITIVE_INFINITY } = books.processes.get(by) ?? {}
    if (
      Math.min(endedAt, stoppingAt) > at + slackMs &&
      !books.wasTroubled(['state', 'cloud', 'misreported'], 'anything', at, books.at)
    )
      due.push(claim)
  }
  return due
}

interface Launch {
  count: number
  arrived: number
  readonly asked: number
  decidedAt?: number
  /** Of its machines, those that went before any list showed them. */
  unseen: number
}

/** What is being made in a fleet, now and for a while back. */
class FleetWatch {
  readonly #fleet: string
  /** By launch: asked for and not decided, or accepted and not there yet. */
  readonly #launches = new Map<string, Launch>()
  readonly #deleted = new Set<string>()
  /** Launches that may have been announced, and were not asked for. */
  #announced = 0
  #samples: Sample[] = []

  constructor(fleet: string) {
    this.#fleet = fleet
  }

  asked(token: string, count: number): void {
    // Asked again by the same token it is the same launch.
    if (!this.#launches.has(token)) this.#launches.set(token, { count, arrived: 0, asked: count, unseen: 0 })
  }

  decided(token: string, accepted: number, at: number): void {
    const launch = this.#launches.get(token)
    if (launch === undefined) return
    launch.count = accepted
    launch.decidedAt = at
  }

  /**
   * What was decided last is not known any more, and where machines do not tell their launches one that comes passes
   * for one of those.
   */
  powerLost(books: Books): void {
    if (books.fleetOf(this.#fleet)?.tellsLaunches !== false) return
    for (const launch of this.#launches.values())
      if (launch.decidedAt !== undefined && books.mayBeForgotten(launch.decidedAt))
        launch.count = Math.max(launch.count, launch.asked)
  }

  /**
   * The process may have announced a launch that it did not ask for. The next one awaits it, and where machines do not
   * tell their launches one that comes passes for it.
   */
  processKilled(books: Books): void {
    if (books.fleetOf(this.#fleet)?.tellsLaunches === false) this.#announced += 1
  }

  machineChanged({ state, machine }: HistoryRecord & { kind: 'machine' }, books: Books): void {
    const { token = '', listedAt } = books.machines.get(machine) ?? {}
    const launch = this.#launches.get(token)
    if (launch === undefined) return
    if (state === 'exists') launch.arrived += 1
    // One that went before any list showed it is awaited for good where machines do not tell their launches: each one
    // that comes passes for the oldest that is awaited.
    if (state !== 'gone' || listedAt !== undefined) return
    if (books.fleetOf(this.#fleet)?.tellsLaunches === false) launch.arrived -= 1
    // Elsewhere it is awaited as long as a launch may take to appear.
    else launch.unseen += 1
  }

  deleted(machines: readonly string[]): void {
    for (const machine of machines) this.#deleted.add(machine)
  }

  sample(books: Books): Sample {
    let most = this.#announced
    for (const { count, arrived, unseen, decidedAt = books.at } of this.#launches.values())
      most += Math.max(0, count - arrived) + (books.at - decidedAt < appearMs ? unseen : 0)
    let least = 0
    let existing = 0
    for (const { machine, fleet, state, used, origin, existsSince, listedAt, missed } of books.machines.values()) {
      if (fleet !== this.#fleet || state === 'gone') continue
      existing += 1
      if (!used) most += 1
      const isSeen = listedAt !== undefined && missed === undefined && books.at - existsSince > slackMs
      if (state === 'exists' && origin === 'asked' && isSeen && !this.#deleted.has(machine)) least += 1
    }
    const sample = { at: books.at, most, least, existing }
    this.#samples.push(sample)
    // The last one before the window still held at its begin.
    const first = this.#samples.findIndex(({ at }) => at >= books.at - slackMs)
    if (first > 1) this.#samples = this.#samples.slice(first - 1)
    return sample
  }

  window(books: Books): Omit<Sample, 'at'> {
    this.sample(books)
    const all = (of: (sample: Sample) => number): number[] => this.#samples.map(of)
    return {
      most: Math.max(...all(({ most }) => most)),
      least: Math.min(...all(({ least }) => least)),
      existing: Math.max(...all(({ existing }) => existing)),
    }
  }
}
