import type { Clock } from '@runner-core/fleeting'
import type { FakeMachine, FakeMachines, MachinePhase } from '../core/fake-machines.ts'
import { ApiRefusal } from './answers.ts'
import { Fingerprint } from './fingerprint.ts'
import type { GroupSettings } from './group-settings.ts'

/** One machine that the group manages, with a virtual machine or, for now, without. */
export interface Member {
  readonly name: string
  /** Where it is, or is being tried. */
  zone: string
  /** Where it has failed since the group last began with all zones. */
  readonly triedZones: Set<string>
  /** Why it fails in every zone. */
  readonly failure: string | undefined
  /** Whether it is tried in another zone than the first. */
  isMoved: boolean
  /** Of its virtual machine; another one after it was made again. */
  id: string
  /** From its per-instance configuration. */
  readonly preservedMetadata: Readonly<Record<string, string>>
  metadata: readonly MetadataItem[]
  readonly fingerprint: Fingerprint
  readonly createdAt: number
  machine: FakeMachine
  /** When the virtual machine went without the group's doing. */
  lostAt: number
}

export interface MetadataItem {
  readonly key: string
  readonly value: string
}

/** Where a member is in its life. `lost`: its virtual machine is gone, and it is not being made again. */
export type MemberPhase = MachinePhase | 'lost'

export interface ManagedGroupOptions {
  readonly clock: Clock
  readonly machines: FakeMachines
  /** New machines go to the emptiest. */
  readonly zones: readonly string[]
  readonly settings: Pick<GroupSettings, 'fullZones'>
  /** From a launch that failed in one zone to the try in the next, milliseconds. */
  readonly zoneRetryMs: number
  readonly baseInstanceName: string
  /** The most that {@link ManagedGroup.targetSize} can be. */
  readonly maxSize: number
  /** How old the rows of a list of members are, milliseconds. */
  readonly listLagMs: number
  /** How old the fingerprint of a machine's metadata is that a read shows, milliseconds. */
  readonly fingerprintLagMs: number
  /** The template's metadata. */
  readonly templateMetadata: ReadonlyMap<string, string>
}

/** What an attempt says where a zone has no room. */
export const noRoom =
  'ZONE_RESOURCE_POOL_EXHAUSTED: The zone does not have enough resources available to fulfill the request. Try a different zone, or try again later.'

const nameRule = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/
/** Of one request: documented for deleteInstances, supposed for createInstances. */
const maxInstances = 1000

/** A managed instance group without its protocol: names, target size, who is a member. */
export class ManagedGroup {
  /** What the group tries to have. */
  targetSize = 0
  /** Why the machines of the next launch will never run, as `CODE: message`. */
  nextFailure: string | undefined
  readonly #options: ManagedGroupOptions
  readonly #members = new Map<string, Member>()
  #number = 0

  constructor(options: ManagedGroupOptions) {
    this.#options = options
  }

  /** All that there are, the oldest first. */
  members(): readonly Member[] {
    return this.#at(this.#options.clock.now())
  }

  /** All that `listManagedInstances` shows, the oldest first, each with its phase there. */
  listed(): readonly { readonly member: Member; readonly phase: MemberPhase }[] {
    const at = this.#options.clock.now() - this.#options.listLagMs
    return this.#at(at).map((member) => ({ member, phase: this.phase(member, at) }))
  }

  /** Members with a virtual machine. */
  virtualMachines(): readonly Member[] {
    return this.members().filter((member) => !['failed', 'lost', 'gone'].includes(this.phase(member)))
  }

  /** Members that have a virtual machine, or will have one, since another zone has room. */
  coming(): readonly Member[] {
    const { zones, settings } = this.#options
    const hasRoom = zones.some((zone) => !settings.fullZones.includes(zone))
    const isBetween = (member: Member): boolean =>
      hasRoom && member.failure === undefined && this.phase(member) === 'failed'
    const there = this.virtualMachines()
    return this.members().filter((member) => there.includes(member) || isBetween(member))
  }

  /** At this moment, or as it was at another. */
  phase({ machine, lostAt, isMoved }: Member, at: number = this.#options.clock.now()): MemberPhase {
    if (at >= lostAt) return 'lost'
    const phase = at < machine.acceptedAt ? 'pending' : this.#options.machines.phase(machine, at)
    return phase === 'pending' && isMoved ? 'creating' : phase
  }

  /** The group tries in the next zone what found no room, which is supposed: nothing says how it does so. */
  #move(member: Member): void {
    const { machines, zones, zoneRetryMs, clock } = this.#options
    if (zones.length < 2 || this.phase(member) !== 'failed' || clock.now() < member.machine.runningAt + zoneRetryMs)
      return
    if (!member.machine.failure!.startsWith('ZONE_RESOURCE_POOL_EXHAUSTED')) return
    member.triedZones.add(member.zone)
    if (member.triedZones.size >= zones.length) member.triedZones.clear()
    member.zone = this.#emptiestZone(member.triedZones)
    member.isMoved = true
    member.machine = machines.launch(member.name, this.#failureIn(member.zone, member.failure))
  }

  #failureIn(zone: string, failure: string | undefined): string | undefined {
    return failure ?? (this.#options.settings.fullZones.includes(zone) ? noRoom : undefined)
  }

  #emptiestZone(except: ReadonlySet<string> = new Set()): string {
    const { zones } = this.#options
    const counted = [...this.#members.values()].filter(
      (member) => !['failed', 'deleting', 'lost', 'gone'].includes(this.phase(member)),
    )
    const sizeOf = (zone: string): number => counted.filter((member) => member.zone === zone).length
    const left = zones.filter((zone) => !except.has(zone))
    return left.toSorted((one, other) => sizeOf(one) - sizeOf(other))[0]!
  }

  #at(at: number): readonly Member[] {
    const { clock, listLagMs } = this.#options
    for (const member of this.#members.values()) {
      this.#move(member)
      if (this.phase(member, clock.now() - listLagMs) === 'gone') this.#members.delete(member.name)
    }
    return [...this.#members.values()].filter((member) => !['pending', 'gone'].includes(this.phase(member, at)))
  }

  #isMember(name: string): boolean {
    const member = this.#members.get(name)
    return member !== undefined && this.phase(member) !== 'gone'
  }

  create(configs: readonly { readonly name?: unknown; readonly preservedState?: unknown }[]): void {
    if (configs.length === 0 || configs.length > maxInstances)
      throw invalid('instances', `must have 1 to ${maxInstances} entries`)
    const wanted = new Map<string, Readonly<Record<string, string>>>()
    for (const { name, preservedState } of configs) {
      if (typeof name !== 'string' || !nameRule.test(name)) {
        throw invalid('instances[].name', `'${JSON.stringify(name)}' does not match ${nameRule.source}`)
      }
      if (wanted.has(name) || this.#isMember(name))
        throw new ApiRefusal(409, 'alreadyExists', `The resource '${name}' already exists`)
      wanted.set(
        name,
        Object((preservedState as { metadata?: unknown } | undefined)?.metadata) as Record<string, string>,
      )
    }
    this.#grow(wanted.size)
    for (const [name, metadata] of wanted) this.#add(name, metadata)
    this.nextFailure = undefined
  }

  /** With `skip`, those that are no members or are going are passed over. `entries` are names, or URLs, not both. */
  delete(entries: readonly string[], skip: boolean): void {
    if (entries.length === 0 || entries.length > maxInstances)
      throw invalid('instances', `must have 1 to ${maxInstances} entries`)
    const urls = entries.filter((entry) => entry.includes('/'))
    if (urls.length > 0 && urls.length < entries.length) throw invalid('instances', 'cannot have both URLs and names')
    const doomed: Member[] = []
    for (const entry of entries) {
      const { zone, name } = parseEntry(entry)
      if (zone !== undefined && !this.#options.zones.includes(zone))
        throw invalid('instances', `'${entry}' is in another zone or region`)
      const member = this.#members.get(name)
      const isGoing =
        member === undefined ||
        ['deleting', 'gone'].includes(this.phase(member)) ||
        (zone !== undefined && member.zone !== zone)
      if (!isGoing) doomed.push(member)
      else if (!skip) throw invalid('instances', `'${name}' is not a member of the group, or is being deleted`)
    }
    for (const member of new Set(doomed)) this.#remove(member)
  }

  /** Absolute, as the service's own: growing gives names of its own, shrinking chooses who goes. */
  resize(size: number): void {
    if (!(size >= 0)) throw invalid('size', 'must not be negative')
    const more = size - this.targetSize
    if (more > 0) this.#grow(more)
    for (let added = 0; added < more; added += 1) this.#add(this.#newName(), {})
    const alive = this.members().filter((member) => this.phase(member) !== 'deleting')
    for (const member of more < 0 ? alive.slice(more) : []) this.#remove(member)
    this.targetSize = size
  }

  /** Somebody adds one, with a name that the group gives: it. */
  addForeign(): string {
    const name = this.#newName()
    this.#grow(1)
    this.#add(name, {})
    return name
  }

  /**
   * The virtual machine goes without the group's doing. With `repair` the group makes it again, under the same name.
   */
  lose(name: string, repair: boolean): void {
    const member = this.#members.get(name)
    if (member === undefined || !this.#options.machines.kill(name)) return
    if (!repair) {
      member.lostAt = this.#options.clock.now()
      return
    }
    member.id = this.#newId()
    member.machine = this.#options.machines.launch(name)
  }

  setMetadata(member: Member, fingerprint: unknown, items: readonly MetadataItem[]): void {
    if (fingerprint !== member.fingerprint.now)
      throw new ApiRefusal(412, 'conditionNotMet', 'Supplied fingerprint does not match current metadata fingerprint.')
    member.metadata = items
    member.fingerprint.move()
  }

  #grow(by: number): void {
    const { maxSize } = this.#options
    if (this.targetSize + by > maxSize) {
      // The code is supposed; that there is such a limit is documented.
      throw new ApiRefusal(
        403,
        'limitExceeded',
        `Exceeded limit 'maximum number of instances in a managed instance group' of ${maxSize}.`,
      )
    }
    this.targetSize += by
  }

  #add(name: string, preservedMetadata: Readonly<Record<string, string>>): void {
    const { machines, clock, templateMetadata, fingerprintLagMs } = this.#options
    const id = this.#newId()
    const zone = this.#emptiestZone()
    const metadata = Object.entries({ ...Object.fromEntries(templateMetadata), ...preservedMetadata }).map(
      ([key, value]) => ({
        key,
        value,
      }),
    )
    const failure = this.nextFailure
    const machine = machines.launch(name, this.#failureIn(zone, failure))
    const state = {
      fingerprint: new Fingerprint(clock, fingerprintLagMs),
      createdAt: clock.wallTime(),
      machine,
      lostAt: Number.POSITIVE_INFINITY,
    }
    const tries = { triedZones: new Set<string>(), failure, isMoved: false }
    this.#members.set(name, { name, zone, id, preservedMetadata, metadata, ...state, ...tries })
  }

  #remove(member: Member): void {
    this.targetSize -= 1
    if (member.lostAt <= this.#options.clock.now()) member.lostAt = Number.POSITIVE_INFINITY
    else this.#options.machines.delete(member.name)
  }

  #newId(): string {
    this.#number += 1
    return String(4_000_000_000_000_000 + this.#number)
  }

  #newName(): string {
    return `${this.#options.baseInstanceName}-${(this.#number + 1).toString(36).padStart(4, '0')}`
  }
}

function parseEntry(entry: string): { readonly zone?: string; readonly name: string } {
  if (!entry.includes('/')) return { name: entry }
  const [, zone, name] = /(?:^|\/)zones\/([^/]+)\/instances\/([^/]+)$/.exec(entry) ?? []
  if (zone === undefined || name === undefined) throw invalid('instances', `'${entry}'. The URL is malformed.`)
  return { zone, name }
}

function invalid(field: string, message: string): ApiRefusal {
  return new ApiRefusal(400, 'invalid', `Invalid value for field '${field}': ${message}`)
}
