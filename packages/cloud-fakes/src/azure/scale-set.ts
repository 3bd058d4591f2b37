import { randomUUID } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import { type FakeMachine, FakeMachines, type Lags } from '../core/fake-machines.ts'
import type { RealMachines } from '../core/real-machines.ts'
import { allocationFailed, resourceFailure, zonalAllocationFailed } from './arm-answer.ts'
import { type Operation, Operations } from './operations.ts'
import type { Tags } from './resource-tags.ts'
import { type Placement, placements } from './zones.ts'

export interface ScaleSetOptions {
  readonly clock: Clock
  readonly name: string
  readonly mode: 'Uniform' | 'Flexible'
  readonly lags?: Lags
  readonly real?: RealMachines
  /** What a launch that fails after it was accepted leaves behind. */
  readonly failedLaunches: 'failed machines' | 'nothing'
  /** When a machine takes over the set's tags. */
  readonly tagged: 'when accepted' | 'when shown'
  /** How long size and etag are shown as before a delete or an eviction, milliseconds. */
  readonly capacityLagMs: number
  /** How far a list lags behind, milliseconds. */
  readonly listLagMs: number
  /** Zones that its machines are spread over. Empty for a regional set. */
  readonly zones: readonly string[]
  readonly settings: ScaleSetSettings
  /** What happens to a machine whose zone has no capacity. */
  readonly withoutRoom: 'tried elsewhere' | 'failed'
  /** Time from a launch without capacity in its zone to the attempt in another zone, milliseconds. */
  readonly zoneRetryMs: number
}

/** The state of the region. May be changed at any time. */
export interface ScaleSetSettings {
  /** Zones where nothing can be launched. */
  fullZones: readonly string[]
}

/** The settings of the model that the plugin should warn about. */
export interface ScaleSetModel {
  overprovision: boolean
  upgradeMode: 'Manual' | 'Automatic' | 'Rolling'
  automaticRepairs: boolean
  singlePlacementGroup: boolean
  spotRestore: boolean
  /** Undefined: machines are not spot machines. */
  evictionPolicy: 'Deallocate' | 'Delete' | undefined
  hasAutoscaleSetting: boolean
  strictZoneBalance: boolean
  zoneRebalancing: boolean
}

/**
 * A scale set. Its size is a target: raising it launches machines, lowering it removes machines that the cloud chooses,
 * and deleting machines by id lowers it.
 */
export class ScaleSet {
  readonly name: string
  readonly mode: 'Uniform' | 'Flexible'
  readonly machines: FakeMachines
  readonly operations: Operations
  readonly model: ScaleSetModel = {
    overprovision: false,
    upgradeMode: 'Manual',
    automaticRepairs: false,
    singlePlacementGroup: false,
    spotRestore: false,
    evictionPolicy: undefined,
    hasAutoscaleSetting: false,
    strictZoneBalance: false,
    zoneRebalancing: false,
  }
  readonly zones: readonly string[]
  readonly #settings: ScaleSetSettings
  readonly #withoutRoom: ScaleSetOptions['withoutRoom']
  readonly #zoneRetryMs: number
  readonly #zoneByMachine = new WeakMap<FakeMachine, string>()
  readonly #clock: Clock
  readonly #bootMs: number
  readonly #failedLaunches: ScaleSetOptions['failedLaunches']
  readonly #tagged: ScaleSetOptions['tagged']
  #tags: Tags = {}
  /** The tags of each machine, copied from the set. */
  readonly #machineTags = new WeakMap<FakeMachine, Tags>()
  #capacity = 0
  #version = 1
  #launched = 0
  #failsNextLaunch = false
  readonly #capacityLagMs: number
  readonly #listLagMs: number
  /** Recent deletes and evictions, which the shown size may not reflect yet. */
  #deletes: { readonly at: number; readonly count: number }[] = []

  constructor({
    clock,
    name,
    mode,
    lags = {},
    real,
    failedLaunches,
    tagged,
    capacityLagMs,
    listLagMs,
    zones,
    settings,
    withoutRoom,
    zoneRetryMs,
  }: ScaleSetOptions) {
    this.zones = zones
    this.#settings = settings
    this.#withoutRoom = withoutRoom
    this.#zoneRetryMs = zoneRetryMs
    this.name = name
    this.mode = mode
    this.machines = new FakeMachines({ clock, lags, real, rememberMs: listLagMs })
    this.operations = new Operations(clock)
    this.#clock = clock
    this.#bootMs = (lags.appearMs ?? 0) + (lags.bootMs ?? 0)
    this.#failedLaunches = failedLaunches
    this.#tagged = tagged
    this.#capacityLagMs = capacityLagMs
    this.#listLagMs = listLagMs
  }

  get capacity(): number {
    return this.#capacity
  }

  /** The size as a read shows it. */
  get shownCapacity(): number {
    return this.#unshown().reduce((sum, { count }) => sum + count, this.#capacity)
  }

  /** The tags of the set itself. */
  get tags(): Tags {
    return this.#tags
  }

  /** The tags that the set had when the machine was created: later changes of the set do not apply to it. */
  tagsOf(machine: FakeMachine): Tags {
    return this.#machineTags.get(machine) ?? this.#tags
  }

  /** Undefined in a regional set. */
  zoneOf(machine: FakeMachine): string | undefined {
    return this.#zoneByMachine.get(machine)
  }

  /** Changes with every change of the model or the size. */
  get etag(): string {
    return `"${this.#version - this.#unshown().length}"`
  }

  /** The machines that the cloud shows. */
  shown(): readonly FakeMachine[] {
    return this.machines.all().filter((machine) => this.machines.phase(machine) !== 'pending')
  }

  /** The moment whose state a list shows. */
  get listedAt(): number {
    return this.#clock.now() - this.#listLagMs
  }

  /** The machines that a list shows. */
  listed(): readonly FakeMachine[] {
    return this.machines.shownAt(this.listedAt)
  }

  /** Changes the model, as an administrator would. */
  change(model: Partial<ScaleSetModel>): void {
    Object.assign(this.model, model)
    this.#version += 1
  }

  /** Replaces all tags of the set. */
  retag(tags: Tags): void {
    for (const machine of this.shown()) if (!this.#machineTags.has(machine)) this.#machineTags.set(machine, this.#tags)
    this.#tags = tags
    this.#version += 1
  }

  /** Makes the next launch fail for capacity after it was accepted. */
  failNextLaunch(): void {
    this.#failsNextLaunch = true
  }

  /** Sets the size. `tags` replace all tags of the set. */
  resize(capacity: number, tags?: Tags): Operation {
    if (tags !== undefined) this.retag(tags)
    this.#capacity = capacity
    this.#deletes = []
    this.#version += 1
    const present = this.#present()
    if (capacity < present.length) {
      const victims = present.slice(capacity)
      for (const { id } of victims) this.machines.delete(id)
      return this.#whenGone(victims)
    }
    return this.#launch(capacity - present.length)
  }

  #launch(count: number): Operation {
    const error = this.zones.length === 0 ? allocationFailed : zonalAllocationFailed
    const allFail = this.#failsNextLaunch
    this.#failsNextLaunch = false
    const endsAt = this.#clock.now() + this.#bootMs
    const failedIds: string[] = []
    const launched: FakeMachine[] = []
    for (const { zone, isSecondTry, fails } of this.#placementsOf(count)) {
      const id = this.#newId()
      const isFailure = fails || allFail
      if (isFailure) failedIds.push(id)
      if (isFailure && this.#failedLaunches === 'nothing') continue
      const failure = isFailure ? `${error.code}: ${error.message}` : undefined
      const machine = this.machines.launch(id, failure, isSecondTry ? this.#zoneRetryMs : 0)
      if (zone !== undefined) this.#zoneByMachine.set(machine, zone)
      if (this.#tagged === 'when accepted') this.#machineTags.set(machine, this.#tags)
      launched.push(machine)
    }
    const isUp = (machine: FakeMachine): boolean => !['pending', 'creating'].includes(this.machines.phase(machine))
    const isDone = (): boolean => launched.every(isUp) && (failedIds.length === 0 || this.#clock.now() >= endsAt)
    if (failedIds.length === 0) return this.operations.start(isDone)
    return this.operations.start(isDone, this.zones.length === 0 ? error : resourceFailure(error, failedIds))
  }

  #placementsOf(count: number): readonly Placement[] {
    const sizes = new Map<string, number>()
    for (const machine of this.#present()) {
      const zone = this.machines.phase(machine) === 'failed' ? undefined : this.zoneOf(machine)
      if (zone !== undefined) sizes.set(zone, (sizes.get(zone) ?? 0) + 1)
    }
    const { zones, model } = this
    const { fullZones } = this.#settings
    const rules = { zones, fullZones, isStrict: model.strictZoneBalance, withoutRoom: this.#withoutRoom }
    return placements(count, rules, sizes)
  }

  /** Removes machines, all of which exist. */
  delete(ids: readonly string[]): Operation {
    const doomed = ids.flatMap((id) => this.machines.get(id) ?? [])
    const count = doomed.filter(({ id }) => this.machines.delete(id)).length
    this.#capacity -= count
    this.#deletes.push({ at: this.#clock.now(), count })
    this.#version += 1
    return this.#whenGone(doomed)
  }

  /** Removes a machine without notice, as an eviction does. */
  kill(id: string): void {
    if (!this.machines.kill(id)) return
    this.#capacity -= 1
    this.#deletes.push({ at: this.#clock.now(), count: 1 })
    this.#version += 1
  }

  #unshown(): readonly { readonly count: number }[] {
    return this.#deletes.filter(({ at }) => this.#clock.now() < at + this.#capacityLagMs)
  }

  #present(): readonly FakeMachine[] {
    return this.machines.all().filter((machine) => this.machines.phase(machine) !== 'deleting')
  }

  #whenGone(machines: readonly FakeMachine[]): Operation {
    return this.operations.start(() => machines.every((machine) => this.machines.phase(machine) === 'gone'))
  }

  /** Numbers in a Uniform set, names with a random end in a Flexible one. */
  #newId(): string {
    this.#launched += 1
    return this.mode === 'Uniform' ? String(this.#launched - 1) : `${this.name}_${randomUUID().slice(0, 8)}`
  }
}
