import { randomBytes, randomUUID } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { FakeMachine, FakeMachines } from '../core/fake-machines.ts'
import type { GroupSettings } from './group-settings.ts'
import { GroupTags } from './group-tags.ts'
import { type LaunchFailure, launchFailures } from './launch-failures.ts'
import { Refusal } from './refusal.ts'

/** An instance, from its launch to an hour after its end. */
export interface Member {
  readonly id: string
  readonly zone: string
  readonly machine: FakeMachine
  readonly launchedAt: number
  /** Taken over from the group when it was launched. */
  readonly tags: ReadonlyMap<string, string>
}

/** One entry of the group's history. */
export interface Activity {
  readonly id: string
  readonly description: string
  readonly cause: string
  readonly zone: string
  readonly startedAt: number
  /** Its end and outcome at this moment, clock time. */
  endedAt(): number
  readonly failure?: string
}

/** Capacity that has not become a machine: the group goes on trying. */
interface Vacancy {
  triesAt: number
  /** Where it has failed since the group last began with all zones. */
  readonly triedZones: Set<string>
  failure: LaunchFailure | undefined
  /** Whether it fails again and again until {@link FakeGroup.heal}. */
  readonly lasting: boolean
}

export interface FakeGroupOptions {
  readonly settings: GroupSettings
  readonly machines: FakeMachines
  readonly clock: Clock
  /** From a launch that failed in every zone to the next try, milliseconds. */
  readonly retryMs: number
  /** From a launch that failed in one zone to the try in the next, milliseconds. */
  readonly zoneRetryMs: number
  /** Launches that begin at once, and from one such wave to the next, milliseconds. */
  readonly waves: { readonly size: number; readonly everyMs: number }
  /** How old the instances of a list are, milliseconds; the group's numbers are always those of now. */
  readonly listLagMs: number
  /**
   * How old the desired capacity is that the group shows, milliseconds. What {@link FakeGroup.resize} and
   * {@link FakeGroup.addForeign} do shows at once.
   */
  readonly capacityLagMs: number
  /** The most activities on one page. */
  readonly activitiesPageSize: number
}

/** How long EC2 still shows an instance that has gone. */
const rememberMs = 3_600_000

/**
 * An Auto Scaling group: keeps the number of its instances at the desired capacity, as the service does. It takes
 * victims when the desired capacity is lowered (only protected ones are spared: the oldest first, which is simpler than
 * the default termination policy), tries again for ever what cannot be launched, and replaces what has died unless that
 * is suspended. Nothing ticks: what was due is done when somebody looks.
 */
export class FakeGroup {
  readonly settings: GroupSettings
  readonly tags: GroupTags = new GroupTags()
  readonly #machines: FakeMachines
  readonly #clock: Clock
  readonly #retryMs: number
  readonly #zoneRetryMs: number
  readonly #waves: FakeGroupOptions['waves']
  readonly #listLagMs: number
  readonly activitiesPageSize: number
  /** When launches of late began. */
  #begun: number[] = []
  /** Everything that EC2 knows of. A state word that was set by hand changes what is shown, not what is counted. */
  readonly #members = new Map<string, Member>()
  readonly #activities: Activity[] = []
  readonly #launchesByToken = new Map<string, { readonly count: number; readonly members: readonly Member[] }>()
  readonly #unprotected = new Set<Member>()
  readonly #markedAt = new Map<string, number>()
  #vacancies: Vacancy[] = []
  readonly #capacityLagMs: number
  /** What it was, the oldest first, until no read shows it any more. */
  #desiredSizes: { readonly at: number; readonly size: number }[] = [{ at: Number.NEGATIVE_INFINITY, size: 0 }]

  constructor({
    settings,
    machines,
    clock,
    retryMs,
    zoneRetryMs,
    waves,
    listLagMs,
    capacityLagMs,
    activitiesPageSize,
  }: FakeGroupOptions) {
    this.settings = settings
    this.#machines = machines
    this.#clock = clock
    this.#retryMs = retryMs
    this.#zoneRetryMs = zoneRetryMs
    this.#waves = waves
    this.#listLagMs = listLagMs
    this.#capacityLagMs = capacityLagMs
    this.activitiesPageSize = activitiesPageSize
  }

  get desired(): number {
    return this.#desired
  }

  /** The desired capacity as a read shows it. */
  get shownDesired(): number {
    const at = this.#clock.now() - this.#capacityLagMs
    return this.#desiredSizes.findLast((past) => past.at <= at)!.size
  }

  /** Instances as the group shows them, the oldest first. */
  instances(): readonly Member[] {
    this.#settle()
    return [...this.#members.values()].filter((member) => this.#isShown(member, this.#listedAt))
  }

  /** Whatever EC2 knows of, ended instances too. */
  everKnown(): readonly Member[] {
    this.#settle()
    return [...this.#members.values()]
  }

  /** The newest first. */
  activities(): readonly Activity[] {
    this.#settle()
    return this.#activities.toReversed()
  }

  /** As a list shows it. */
  lifecycleState({ machine }: Member): string {
    const phase = this.#machines.phase(machine, this.#listedAt)
    if (phase === 'deleting') return 'Terminating'
    return machine.word ?? (phase === 'pending' || phase === 'creating' ? 'Pending' : 'InService')
  }

  /** EC2's word. */
  instanceState({ machine }: Member): 'pending' | 'running' | 'shutting-down' | 'terminated' {
    const phase = this.#machines.phase(machine)
    if (phase === 'gone' || phase === 'failed') return 'terminated'
    if (phase === 'deleting') return 'shutting-down'
    return phase === 'running' ? 'running' : 'pending'
  }

  isHealthy({ machine }: Member): boolean {
    const phase = this.#machines.phase(machine)
    return phase !== 'failed' && phase !== 'gone'
  }

  isProtected(member: Member): boolean {
    return (
      this.settings.protectsNewInstances &&
      !this.#unprotected.has(member) &&
      this.#machines.phase(member.machine) === 'running'
    )
  }

  /**
   * `failure`: what this request makes launches fail with; `lasting`: until {@link heal}, otherwise once. Thrown:
   * `ValidationError`.
   */
  setDesired(capacity: number, failure?: LaunchFailure, lasting = false): void {
    const { minSize, maxSize } = this.settings
    if (capacity > maxSize)
      throw new Refusal(
        'ValidationError',
        `New SetDesiredCapacity value ${capacity} is above max value ${maxSize} for the AutoScalingGroup.`,
      )
    if (capacity < minSize)
      throw new Refusal(
        'ValidationError',
        `New SetDesiredCapacity value ${capacity} is below min value ${minSize} for the AutoScalingGroup.`,
      )
    this.#settle()
    this.#desired = capacity
    const missing = capacity - this.#counted().length - this.#vacancies.length
    for (let left = missing; left > 0; left -= 1) this.#vacancies.push(vacancy(this.#clock.now(), failure, lasting))
    this.#settle()
  }

  /** Launches now or not at all. Thrown: a refusal. */
  launchNow(count: number, zone: string | undefined, token: string, failure?: LaunchFailure): readonly Member[] {
    const known = this.#launchesByToken.get(token)
    if (known !== undefined) {
      if (known.count !== count)
        throw new Refusal('IdempotentParameterMismatch', 'The client token has been used with other parameters.')
      return known.members
    }
    const { maxSize, zones } = this.settings
    if (count > 100) throw new Refusal('ValidationError', 'The number of instances to launch must be at most 100.')
    if (zone === undefined && zones.length > 1)
      throw new Refusal(
        'ValidationError',
        'AvailabilityZones or SubnetIds must be specified for groups with several Availability Zones.',
      )
    if (zone !== undefined && !zones.includes(zone))
      throw new Refusal('ValidationError', `The Availability Zone ${zone} is not one of the group's.`)
    if (this.#desired + count > maxSize)
      throw new Refusal('ValidationError', `The launch would exceed the group's max size of ${maxSize}.`)
    this.#settle()
    const members = failure === undefined ? Array.from({ length: count }, () => this.#launch(zone ?? zones[0]!)) : []
    this.#desired += members.length
    this.#launchesByToken.set(token, { count, members })
    return members
  }

  /**
   * Ends instances of the group, and lowers the desired capacity with them. Thrown: `ValidationError`, and nothing is
   * done.
   */
  terminate(ids: readonly string[], decrement: boolean): readonly Activity[] {
    this.#settle()
    const members = ids.map((id) => {
      const member = this.#members.get(id)
      // Also one that the reads do not show yet.
      if (member !== undefined && (this.#isShown(member, this.#clock.now()) || this.isHealthy(member))) return member
      throw new Refusal('ValidationError', `Instance Id not found - No managed instance found for instance ID: ${id}`)
    })
    const leaving = members.filter((member) => this.#counted().includes(member))
    if (decrement && this.#desired - leaving.length < this.settings.minSize) {
      const { minSize } = this.settings
      throw new Refusal(
        'ValidationError',
        `Currently, desiredSize equals minSize (${minSize}). Terminating instance without replacement will violate group's min size constraint.`,
      )
    }
    if (decrement) this.#desired -= leaving.length
    const activities = members.map((member) => this.#end(member, 'a user request took the instance out of service'))
    this.#settle()
    return activities
  }

  /** Somebody else raises the desired capacity by one, where a zone has room. */
  addForeign(): Member {
    this.#settle()
    this.#desired += 1
    this.#show()
    return this.#launch(this.#emptiestZone(new Set(this.settings.fullZones)))
  }

  /**
   * As somebody would who knows that protected instances stay: lifts the protection of as many, the oldest first, as
   * are to go. Thrown: `ValidationError`.
   */
  resize(by: number): void {
    for (const member of this.#counted().slice(0, Math.max(0, -by))) this.#unprotected.add(member)
    this.setDesired(this.#desired + by)
    this.#show()
  }

  /** The machine goes without a word. */
  kill(id: string): void {
    this.#machines.kill(id)
  }

  /** EC2 announces that it will take a spot instance back. */
  interrupt(id: string): void {
    this.#markedAt.set(id, this.#clock.wallTime())
  }

  /** When an interruption was announced, wall time. */
  markedAt({ id }: Member): number | undefined {
    return this.#markedAt.get(id)
  }

  /** Launches fail no more. */
  heal(): void {
    for (const vacancy of this.#vacancies) vacancy.failure = undefined
  }

  get #desired(): number {
    return this.#desiredSizes.at(-1)!.size
  }

  set #desired(size: number) {
    const now = this.#clock.now()
    const shown = this.#desiredSizes.findLastIndex(({ at }) => at <= now - this.#capacityLagMs)
    this.#desiredSizes = [...this.#desiredSizes.slice(shown), { at: now, size }]
  }

  /** Somebody else's change shows at once, and with it all before it: nobody could respect what no read tells. */
  #show(): void {
    this.#desiredSizes = [{ at: Number.NEGATIVE_INFINITY, size: this.#desired }]
  }

  #settle(): void {
    const now = this.#clock.now()
    const suspended = new Set(this.settings.suspendedProcesses)
    for (const member of this.#members.values()) {
      const { machine } = member
      if (now - machine.goneAt > rememberMs) this.#members.delete(member.id)
      const isReplaced =
        !suspended.has('ReplaceUnhealthy') && !this.isHealthy(member) && machine.deletingAt === Infinity
      if (isReplaced) this.#end(member, 'an instance was taken out of service in response to an EC2 health check')
    }
    const counted = this.#counted()
    this.#vacancies.length = Math.min(this.#vacancies.length, Math.max(0, this.#desired - counted.length))
    for (const victim of counted
      .filter((member) => !this.isProtected(member))
      .slice(0, Math.max(0, counted.length - this.#desired))) {
      this.#end(
        victim,
        'an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity',
      )
    }
    while (this.#vacancies.length < this.#desired - this.#counted().length) {
      this.#vacancies.push(vacancy(now))
    }
    if (!suspended.has('Launch')) this.#vacancies = this.#vacancies.filter((vacancy) => !this.#fill(vacancy, now))
  }

  /** True: it has become a machine. Tries the emptiest zone first, and the others after it. */
  #fill(vacancy: Vacancy, now: number): boolean {
    if (vacancy.triesAt > now || !this.#mayBegin(now)) return false
    const zone = this.#emptiestZone(vacancy.triedZones)
    const failure = vacancy.failure ?? (this.settings.fullZones.includes(zone) ? launchFailures.capacity : undefined)
    if (failure === undefined) {
      this.#launch(zone)
      return true
    }
    const message = `${failure.message}. Launching EC2 instance failed.`.replace('..', '.')
    this.#note(`Launching a new EC2 instance.  Status Reason: ${message}`, started, zone, now, () => now, message)
    vacancy.triedZones.add(zone)
    const isRound = vacancy.triedZones.size >= this.settings.zones.length
    if (isRound) {
      vacancy.triedZones.clear()
      if (!vacancy.lasting) vacancy.failure = undefined
    }
    vacancy.triesAt = now + (isRound ? this.#retryMs : this.#zoneRetryMs)
    return false
  }

  #mayBegin(now: number): boolean {
    const { size, everyMs } = this.#waves
    this.#begun = this.#begun.filter((at) => at + everyMs > now)
    if (this.#begun.length >= size) return false
    this.#begun.push(now)
    return true
  }

  #emptiestZone(except: ReadonlySet<string> = new Set()): string {
    const { zones } = this.settings
    const counted = this.#counted()
    const sizeOf = (zone: string): number => counted.filter((member) => member.zone === zone).length
    const left = zones.filter((zone) => !except.has(zone))
    return (left.length === 0 ? zones : left).toSorted((one, other) => sizeOf(one) - sizeOf(other))[0]!
  }

  #launch(zone: string): Member {
    const id = `i-${randomBytes(9).toString('hex').slice(0, 17)}`
    const machine = this.#machines.launch(id)
    const member = { id, machine, zone, launchedAt: this.#clock.now(), tags: this.tags.propagated() }
    this.#members.set(id, member)
    this.#note(`Launching a new EC2 instance: ${id}`, started, zone, member.launchedAt, () =>
      Math.min(machine.runningAt, machine.goneAt),
    )
    return member
  }

  #end(member: Member, cause: string): Activity {
    const now = this.#clock.now()
    this.#machines.delete(member.id)
    return this.#note(`Terminating EC2 instance: ${member.id}`, cause, member.zone, now, () => member.machine.goneAt)
  }

  #note(
    description: string,
    cause: string,
    zone: string,
    startedAt: number,
    endedAt: () => number,
    failure?: string,
  ): Activity {
    const at = new Date(startedAt).toISOString()
    const activity = {
      id: randomUUID(),
      description,
      cause: `At ${at} ${cause}.`,
      zone,
      startedAt,
      endedAt,
      ...(failure !== undefined && { failure }),
    }
    this.#activities.push(activity)
    return activity
  }

  /** Until its delete is over; one that died by itself stays. */
  #isShown({ machine }: Member, at: number): boolean {
    const phase = this.#machines.phase(machine, at)
    return at >= machine.acceptedAt && phase !== 'pending' && (phase !== 'gone' || machine.deletingAt === Infinity)
  }

  get #listedAt(): number {
    return this.#clock.now() - this.#listLagMs
  }

  /** What fills the desired capacity, the oldest first. */
  #counted(): readonly Member[] {
    return [...this.#members.values()].filter(({ machine }) => machine.deletingAt === Infinity)
  }
}

const started = 'an instance was started in response to a difference between desired and actual capacity'

function vacancy(triesAt: number, failure?: LaunchFailure, lasting = false): Vacancy {
  return { triesAt, triedZones: new Set(), failure, lasting }
}
