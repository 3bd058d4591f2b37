import { type Clock, GroupError, isGroupError } from '@runner-core/fleeting'
import type { ComputeClient } from './client.ts'
import type { Instance, ManagedInstance } from './compute-api.ts'
import { SharedCalls } from './shared-calls.ts'
import { listedInstance } from './states.ts'

/** A row that says that a machine is not running is not asked about again within this time. */
const rowLifeMs = 1000
/** The address of a running machine stays; its metadata may be changed by others. */
const detailsLifeMs = 60_000
/** From so many machines on that nothing is known about, one list of all is asked instead of each. */
const listFrom = 4

/** A running machine. */
export interface Machine {
  readonly name: string
  readonly zone: string
  readonly instance: Instance
  /** Kept for as long as the virtual machine is the same. */
  readonly guest: Guest
}

/** What came of our dealings with the system on a virtual machine. */
interface Guest {
  hostKeys?: readonly string[]
  /** Clock time of the first question for them. */
  hostKeysAskedAt?: number
  /** Clock time at which our key was put into the metadata. */
  keyAddedAt?: number
}

/** Requests for single machines under way at a time. */
const lookUpsAtOnce = 8
/** More than a group has. */
const zonesKept = 20_000

/** An accepted launch that no list shows after this time has come to nothing. */
const expectedMs = 600_000

interface Details {
  readonly machine: Machine
  readonly readAt: number
}

/** The group's machines: its members as they were last listed, and what is known about the virtual machine of each. */
export class Machines {
  readonly #client: ComputeClient
  readonly #clock: Clock
  readonly #prefix: string
  readonly #rowReads: SharedCalls<ReadonlyMap<string, ManagedInstance>>
  readonly #detailReads: SharedCalls<void>
  readonly #details = new Map<string, Details>()
  /** Names asked for that no list has shown since, with when. */
  readonly #expected = new Map<string, number>()
  /** Of members that had a machine, those included that lists have left out since. */
  readonly #zones = new Map<string, string>()
  #rows: ReadonlyMap<string, ManagedInstance> = new Map()
  #rowsAt = Number.NEGATIVE_INFINITY

  /** `prefix` begins the names that the fleet gives. */
  constructor(client: ComputeClient, clock: Clock, prefix: string) {
    this.#client = client
    this.#clock = clock
    this.#prefix = prefix
    this.#rowReads = new SharedCalls()
    this.#detailReads = new SharedCalls()
  }

  /** The group's members as they are now, by name. */
  async list(signal: AbortSignal): Promise<ReadonlyMap<string, ManagedInstance>> {
    const startedAt = this.#clock.now()
    const rows = new Map((await this.#client.listManagedInstances(signal)).map((row) => [row.name, row]))
    // A slow answer does not replace a newer one.
    if (startedAt >= this.#rowsAt) {
      this.#rows = rows
      this.#rowsAt = startedAt
      for (const name of this.#details.keys()) if (!rows.has(name)) this.#details.delete(name)
      this.#noteZones(rows.values())
      for (const [name, at] of this.#expected)
        if (rows.has(name) || startedAt - at > expectedMs) this.#expected.delete(name)
    }
    return rows
  }

  /**
   * Virtual machines by the names of members, each asked for by its own name where its zone is known: undefined when it
   * does not exist. Nothing is told of one that had no machine when it was last listed: the group alone knows it.
   */
  async lookUp(names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Instance | undefined>> {
    const found = new Map<string, Instance | undefined>()
    const queue = names.flatMap((name) => {
      const zone = this.#zones.get(name)
      return zone === undefined ? [] : [{ name, zone }]
    })
    const work = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const { name, zone } = next
        try {
          found.set(name, await this.#client.getInstance(zone, name, signal))
        } catch (error) {
          signal.throwIfAborted()
          if (!isGroupError(error) || error.code !== 'not_found') throw error
          found.set(name, undefined)
        }
      }
    }
    await Promise.all(Array.from({ length: lookUpsAtOnce }, work))
    return found
  }

  /** These are asked for: they count as members, although a list may not show them yet. */
  expect(names: readonly string[]): void {
    const now = this.#clock.now()
    for (const name of names) this.#expected.set(name, now)
  }

  /** How many are asked for that no list has shown yet. */
  get expectedCount(): number {
    return this.#expected.size
  }

  /**
   * Those of these names that are members, or will be, as far as is known; the group is read only when one is not
   * known.
   */
  async known(names: readonly string[], signal: AbortSignal): Promise<readonly ManagedInstance[]> {
    const rows = names.every((name) => this.#rows.has(name)) ? this.#rows : await this.list(signal)
    return names.flatMap((name) => rows.get(name) ?? (this.#expected.has(name) ? { name } : []))
  }

  /** One running machine. Thrown: `not_found` when it is no member, `not_ready`. */
  async running(name: string, signal: AbortSignal): Promise<Machine> {
    const now = this.#clock.now()
    let row = this.#rows.get(name)
    if ((row === undefined || !this.#runs(row)) && now - this.#rowsAt >= (row === undefined ? 1 : rowLifeMs)) {
      row = (await this.#rowReads.share('list', (shared) => this.list(shared), signal)).get(name)
    }
    if (row === undefined && this.#expected.has(name))
      throw new GroupError('not_ready', `${name} is not visible yet`, { instanceId: name })
    if (row === undefined)
      throw new GroupError('not_found', `${name} is not an instance of the group`, { instanceId: name })
    const zone = zoneOf(row)
    const { state, detail } = listedInstance(row, this.#prefix)
    if (state === 'deleting') throw new GroupError('not_found', `${name} is being deleted`, { instanceId: name })
    if (state !== 'running' || zone === undefined)
      throw new GroupError('not_ready', `${name} is ${state}: ${detail}`, { instanceId: name })
    if (!this.#isFresh(name)) await this.#read(name, zone, signal)
    const details = this.#details.get(name)
    if (details === undefined) throw new GroupError('not_ready', `${name} is not visible yet`, { instanceId: name })
    return details.machine
  }

  /** Reads one machine anew. */
  async reread(name: string, zone: string, signal: AbortSignal): Promise<Machine> {
    const readAt = this.#clock.now()
    return this.#note(await this.#client.getInstance(zone, name, signal), zone, readAt)
  }

  /** They are on their way out, or did not come: nothing that was known counts any more. */
  forget(names: readonly string[]): void {
    for (const name of names) {
      this.#details.delete(name)
      this.#expected.delete(name)
    }
    this.#rowsAt = Number.NEGATIVE_INFINITY
  }

  #noteZones(rows: Iterable<ManagedInstance>): void {
    for (const row of rows) {
      const zone = zoneOf(row)
      // The last seen stand last.
      this.#zones.delete(row.name)
      if (zone !== undefined && row.instanceStatus !== undefined) this.#zones.set(row.name, zone)
    }
    for (const name of this.#zones.keys()) {
      if (this.#zones.size <= zonesKept) break
      this.#zones.delete(name)
    }
  }

  #runs(row: ManagedInstance): boolean {
    return listedInstance(row, this.#prefix).state === 'running'
  }

  #isFresh(name: string): boolean {
    const details = this.#details.get(name)
    return details !== undefined && this.#clock.now() - details.readAt < detailsLifeMs
  }

  async #read(name: string, zone: string, signal: AbortSignal): Promise<void> {
    const ours = `${this.#prefix}-`
    const unknown = [...this.#rows.values()].filter(
      (row) => row.name.startsWith(ours) && !this.#isFresh(row.name) && zoneOf(row) === zone,
    )
    if (name.startsWith(ours) && unknown.length >= listFrom) {
      await this.#detailReads.share(`zone ${zone}`, (shared) => this.#readZone(zone, shared), signal)
      if (this.#isFresh(name)) return
    }
    await this.#detailReads.share(name, async (shared) => void (await this.reread(name, zone, shared)), signal)
  }

  async #readZone(zone: string, signal: AbortSignal): Promise<void> {
    const readAt = this.#clock.now()
    for (const instance of await this.#client.listInstances(zone, `${this.#prefix}-.*`, signal)) {
      if (this.#rows.has(instance.name)) this.#note(instance, zone, readAt)
    }
  }

  #note(instance: Instance, zone: string, readAt: number): Machine {
    const before = this.#details.get(instance.name)?.machine
    const guest = before?.instance.id === instance.id ? before.guest : {}
    const machine = { name: instance.name, zone, instance, guest }
    this.#details.set(instance.name, { machine, readAt })
    return machine
  }
}

/** The zone that a member's URL tells. */
function zoneOf({ instance }: ManagedInstance): string | undefined {
  return instance === undefined ? undefined : /zones\/([^/]+)\/instances\//.exec(instance)?.[1]
}
