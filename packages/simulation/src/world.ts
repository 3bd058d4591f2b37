import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type GroupErrorCode,
  type IncreaseRequest,
  type InstanceGroup,
  isGroupError,
  type Random,
  silentLogger,
} from '@runner-core/fleeting'
import type { StateStore } from '@runner-core/fleeting/state'
import { ManualClock, seededRandom, simpleShell } from '@runner-core/fleeting/testing'
import type { IdlePolicy } from '@runner-core/taskscaler'
import type { Bug } from './bugs.ts'
import { WorldCoordinator } from './coordinator/world-coordinator.ts'
import type { EngineThing, SimEngine } from './engine/sim-engine.ts'
import { strangeThings } from './engine/strange-things.ts'
import { hostGroup, hostOf, writtenLoans } from './host-group.ts'
import type { MachineWatch, RunningScript } from './machine/sim-machine.ts'
import { WorldMachines } from './machine/world-machines.ts'
import { believedListLagMs, breakerProbeMs, Manager } from './manager.ts'
import { memberGroups, noCapacityMs } from './member-groups.ts'
import { type CloudWitness, processGroup } from './process-group.ts'
import { type Broken, Witness } from './witness.ts'
import { launchOf, WorldCloud } from './world-cloud.ts'
import { WorldHistory } from './world-history.ts'
import { type EffectPoint, WorldProcess } from './world-process.ts'
import type { WorldSetting } from './world-setting.ts'
import { WorldStore } from './world-store.ts'

const second = 1000
const minute = 60 * second
const promiseCapMs = 5 * minute
const diskBytes = 8 * 1024 * 1024

const nothingKept: IdlePolicy = {
  periods: ['* * * * *'],
  timezone: 'UTC',
  idleCount: 0,
  idleTimeMs: 30 * second,
  scaleFactor: 0,
  scaleFactorLimit: 0,
}

/** What the world's idle policy may be: nothing in reserve, something, at times, in proportion, the default. */
const schedules: readonly (readonly IdlePolicy[])[] = [
  [nothingKept],
  [{ ...nothingKept, idleCount: 2, idleTimeMs: 2 * minute, preemptiveMode: true }],
  [nothingKept, { ...nothingKept, periods: ['*/4 * * * *'], idleCount: 2, preemptiveMode: false }],
  [{ ...nothingKept, scaleFactor: 0.5, scaleFactorLimit: 3, idleTimeMs: 0 }],
  [],
]

/** Who takes groups that are not theirs. */
const strangerId = 'stranger'

/** What was looked at may be so old when the delete that follows is sent, milliseconds. */
const longestLookMs = 20 * second

/**
 * How long after a refusal nothing like it may be asked for, at the least: half of the first back-off, or the shortest
 * hint that counts where the cloud gives one.
 */
const minWaitMs: Readonly<Partial<Record<GroupErrorCode, number>>> = {
  capacity: 30 * second,
  quota: 150 * second,
  auth: breakerProbeMs / 2,
  invalid_config: breakerProbeMs / 2,
  not_found: breakerProbeMs / 2,
  throttled: second,
  conflict: second,
  transient: second,
}

export interface Violation {
  readonly promise: Broken
  readonly what: string
}

export interface LogLine {
  readonly at: number
  readonly text: string
  /** Whether the world did it, by a step; otherwise it followed. */
  readonly isStep: boolean
}

export interface WorldOptions {
  readonly bug?: Bug | undefined
  /** The state store of each process. Default: one in memory for all. */
  readonly openStore?: ((process: WorldProcess) => StateStore) | undefined
}

/**
 * A cloud, its machines, a coordinator, a disk and a manager, at a clock that stands still until told; and whoever
 * watches them.
 */
export class World {
  readonly clock: ManualClock = new ManualClock()
  readonly cloud: WorldCloud
  readonly machines: WorldMachines
  readonly store: WorldStore
  readonly coordinator: WorldCoordinator
  readonly history: WorldHistory
  readonly violations: Violation[] = []
  readonly log: LogLine[] = []
  /** Every own script that a job ever had on a machine, in the order of starting. */
  readonly started: { readonly job: string; readonly instanceId: string }[] = []
  /** How often a manager was killed. */
  kills = 0
  schedule: number
  manager: Manager
  /** Whether the disk of the manager's log has no room. */
  isLogFull = false
  /** Whether the machines are hosts that exist already. */
  readonly hasHosts: boolean
  /** Whether a manager that was killed is started again. */
  revives = true
  readonly #setting: WorldSetting
  readonly #turns: number
  /** Where a group of hosts keeps what it lends, as a plugin keeps it in the state directory. */
  readonly #hostDirectory: string | undefined
  /** Launches and removals that were sent. */
  #changes = 0
  readonly #random: Random
  readonly #bug: Bug | undefined
  readonly #leases = new Map<string, string>()
  #lives = 0
  /** Those that live, on the manager's computer. */
  readonly #processes = new Set<WorldProcess>()
  /** With its end the computer loses its power. */
  #losesPower: WorldProcess | undefined
  /** Since when somebody else has the group. */
  #claimedAt: number | undefined
  /** Of each process, looks at who has the group, less the deletes that followed. */
  readonly #looks = new Map<WorldProcess, number>()
  /** Another installation's. */
  #rival: WorldProcess | undefined
  /** By member, whose last list failed. */
  readonly #unreadable = new Map<string, { readonly process: WorldProcess; readonly since: number }>()
  /** By member or placement, how the last launch was refused. */
  readonly #refusals = new Map<
    string,
    { readonly process: WorldProcess; readonly at: number; readonly code: GroupErrorCode }
  >()

  constructor(seed: number, setting: WorldSetting, { bug, openStore }: WorldOptions = {}) {
    this.store = new WorldStore(this.clock, openStore)
    this.#turns = openStore === undefined ? 0 : 3
    this.#setting = setting
    this.hasHosts = setting.hasHosts ?? false
    if (this.hasHosts) this.#hostDirectory = mkdtempSync(join(tmpdir(), 'world-hosts-'))
    this.#bug = bug
    this.#random = seededRandom(seed)
    this.schedule = setting.schedule
    const { tells, placements, appearMs, bootMs, deleteMs, callMs, listLagMs, healthChecks } = setting
    this.cloud = new WorldCloud({
      clock: this.clock,
      shell: simpleShell,
      maxSize: 30,
      tells,
      ...(placements !== undefined && { placements }),
      members: this.hasHosts ? undefined : setting.members,
      hosts: this.hasHosts ? setting.maxInstances : 0,
      capabilities: healthChecks ? ['heartbeat', 'interruption_notice'] : ['interruption_notice'],
      appearDelayMs: this.#between(appearMs),
      bootDelayMs: this.#between(bootMs),
      deleteDelayMs: this.#between(deleteMs),
      callDelayMs: callMs,
      listLagMs,
      holdsOwner: setting.holdsOwner ?? false,
    })
    this.history = new WorldHistory(this.clock, this.cloud)
    this.history.tell({
      kind: 'story',
      maxInstances: setting.maxInstances,
      resumes: setting.detaches,
      // A host outlives its loans, and containers keep jobs apart by themselves.
      separatesProjects: setting.projects !== undefined && !this.hasHosts && setting.inContainers !== true,
      tellsLaunches: tells.ids && tells.tokens,
      disappearanceMs: believedListLagMs,
    })
    this.store.onWritten = (place, text) => this.history.recorded(`state, ${place}`, text)
    this.cloud.onListed = (machines, deleting) =>
      this.history.tell({ kind: 'listed', machines, ...(deleting.length > 0 && { deleting }) })
    this.cloud.onDecided = (token, accepted, error) =>
      this.history.tell({ kind: 'launch_decided', token, accepted, ...(isGroupError(error) && { error: error.code }) })
    const watch: MachineWatch = {
      started: (script) => this.#started(script),
      said: ({ run }, text) => this.history.tell({ kind: 'line', run, text }),
      ended: ({ job, machine, run }, exit, leftovers) => {
        this.note(`${job} has ended on ${machine}: ${exit}${leftovers ? ', and left something' : ''}`)
        this.history.tell({ kind: 'script_ended', run, exit, ...(leftovers && { leftovers }) })
      },
      cleaned: ({ run }) => this.history.tell({ kind: 'processes_ended', run }),
    }
    this.machines = new WorldMachines({
      clock: this.clock,
      runs: (id) => this.cloud.lives(id),
      diskBytes,
      noticeMs: this.#between(setting.noticeMs),
      onUnknown: (error) => this.violate(7, error.message),
      watch,
      ...(setting.inContainers === true && {
        engines: {
          delayMs: setting.latencyMs,
          shell: setting.shell,
          strange: strangeThings,
          watch: {
            ...watch,
            made: (machine, thing, isStrange) => this.#made(machine, thing, isStrange),
            removed: (machine, { kind, name }) =>
              this.history.tell({ kind: 'removed', machine, thing: `${kind} ${name}` }),
          },
        },
      }),
    })
    this.coordinator = new WorldCoordinator(this.clock, this.history, setting.projects)
    this.manager = this.#startManager()
  }

  [Symbol.dispose](): void {
    if (this.#hostDirectory !== undefined) rmSync(this.#hostDirectory, { recursive: true })
  }

  useSchedule(n: number): void {
    this.schedule = n % schedules.length
    this.manager.configureSchedule(schedules[this.schedule]!)
  }

  /** Somebody starts the new version beside the old one, which is to hand over what it has. */
  succeed(): void {
    this.note('another manager is started, which takes the fleet over', true)
    // Jobs whose scripts do not outlive their connection end with their process.
    if (!this.#setting.detaches)
      this.history.tell({ kind: 'process', process: this.manager.process.name, state: 'killed' })
    this.manager = this.#startManager()
  }

  /**
   * The manager's computer loses its power: all that runs there ends, and what its disk was not made to keep is gone.
   */
  cutPower(where: string): void {
    this.note(`the manager's computer loses its power ${where}`, true)
    for (const key of this.store.losePower()) this.note(`the disk has lost what was written last of ${key}`)
    this.history.trouble('power')
    // Nobody can know of these any more.
    for (const key of this.#leases.keys()) if (!this.store.has('acquisition', key)) this.#leases.delete(key)
    for (const process of this.#processes) process.kill('by that')
  }

  /** Somebody else says that the group is theirs, for so long. False: it cannot be said. */
  strangerClaims(ms: number): boolean {
    if (this.#setting.holdsOwner !== true || this.#claimedAt !== undefined || this.#rival !== undefined) return false
    this.#claimedAt = this.clock.now()
    this.cloud.owner = { id: strangerId, name: 'somebody else', epoch: 1, since: this.clock.wallTime() }
    // Who has lost the group gives no news of its jobs until it has it again.
    this.history.begins('cloud')
    this.clock.after(ms, () => this.#strangerLeaves())
    return true
  }

  /** Removes the note. The operator then restarts the manager that refused to start because of it. */
  #strangerLeaves(): void {
    if (this.#claimedAt === undefined) return
    this.#claimedAt = undefined
    if (this.cloud.owner?.id === strangerId) this.cloud.owner = undefined
    this.history.ends('cloud')
    this.note('the group is nobody’s', true)
    if (this.manager.scaler === undefined) this.manager.process.kill('by its operator')
  }

  /** Another installation starts on the group while it is ours: it must act on nothing. False: it is not ours yet. */
  rivalStarts(ms: number): boolean {
    if (this.#rival !== undefined || this.#claimedAt !== undefined || this.cloud.owner === undefined) return false
    const process = new WorldProcess(this.clock, { name: 'rival', onKilled: () => {} })
    this.#rival = process
    const acts = (what: string): void => this.violate(1, `another manager, which was to be refused, ${what}`)
    const createGroup = (): InstanceGroup =>
      this.#groupOf(process, () => ({
        increases: ({ count }) => acts(`launches ${count}`),
        increased: () => {},
        decreases: (ids) => acts(`deletes ${ids.join(', ')}`),
        listed: () => {},
        failed: () => {},
        looked: () => {},
      }))
    const witness = new Witness({
      ...this.#setting,
      process,
      history: this.history,
      promiseCapMs,
      isStateTroubled: () => false,
      leases: new Map(),
      violate: (promise, what) => this.violate(promise, what),
      note: () => {},
    })
    const store = new WorldStore(this.clock).openedBy(process)
    const { coordinator } = this
    const random = seededRandom(Math.floor(this.#random() * 2 ** 32))
    const policies = schedules[1]!
    const rest = { process, witness, createGroup, store, coordinator, promiseCapMs, policies, random, bug: undefined }
    new Manager({ ...this.#setting, ...rest, takeOverGroup: false, systemId: 's_rival0000000' })
    this.clock.after(ms, () => {
      process.exit()
      this.#rival = undefined
    })
    return true
  }

  /** It will lose its power when the manager comes there. */
  cutPowerAt(point: EffectPoint): void {
    this.#losesPower = this.manager.process
    this.manager.process.killAt(point)
  }

  /** Others fill a machine's disk, or empty it again. */
  fillDisk(id: string, isFull: boolean): void {
    const machine = this.machines.get(id)
    if (machine === undefined) return
    machine.disk.othersBytes = isFull ? diskBytes : 0
  }

  /** Of a machine, once somebody asked for it. */
  engine(machine: string): SimEngine | undefined {
    return this.machines.engine(machine)
  }

  violate(promise: Broken, what: string): void {
    this.violations.push({ promise, what })
    this.note(`BROKEN ${typeof promise === 'number' ? `promise ${promise}` : promise}: ${what}`)
  }

  note(text: string, isStep = false): void {
    this.log.push({ at: this.clock.now(), text, isStep })
  }

  /** Time passes, until something is broken. */
  async advance(ms: number): Promise<void> {
    if (this.violations.length > 0) return
    await this.clock.advance(ms)
    // A store that commits once in each turn has its answers a turn later.
    for (let turn = 0; turn < this.#turns; turn += 1) await this.clock.advance(0)
    // What is being kept, or stands still, is in neither's books alone.
    if (!this.store.isLate && !this.manager.process.isFrozen) this.manager.witness.check()
    this.coordinator.look()
    this.#judgeHistory()
  }

  /**
   * Troubles end, work ends: every job that waits must get its slot, what is kept in reserve must come and stay, and
   * once nothing is wanted nothing may be left.
   */
  async settle(): Promise<void> {
    this.note('all troubles end', true)
    for (const what of ['unreachable', 'misreported', 'cloud', 'coordinator', 'state', 'boot', 'machine_disk'] as const)
      this.history.ends(what)
    this.manager.process.spare()
    this.#losesPower = undefined
    this.cloud.heal()
    this.store.heal()
    for (const machine of this.cloud.ids) {
      this.fillDisk(machine, false)
      this.engine(machine)?.heal()
      this.history.ends('unreachable', { machine })
    }
    this.coordinator.heal()
    this.#strangerLeaves()
    this.isLogFull = false
    for (const job of this.coordinator.open)
      if (job.durationMs === Number.POSITIVE_INFINITY) this.coordinator.cancel(job)
    if (this.#setting.inContainers === true) await this.#workOnEachMachine()
    this.useSchedule(0)
    await this.advance(minute)
    this.#strangersLeave()
    await this.#until(
      20,
      () => this.coordinator.open.length === 0 && this.manager.witness.isIdle,
      5,
      () => {
        const waiting = this.coordinator.open.map(({ name, state }) => `${name} ${state}`)
        return `jobs starve: ${waiting.join(', ')}; lent: ${this.manager.witness.lent.size}`
      },
    )
    await this.#until(
      15,
      () => this.#oursLeft.length === 0,
      6,
      () => `left without being wanted: ${this.#oursLeft.join(', ')}`,
    )
    await this.#until(
      6,
      () => this.#isQuiet,
      5,
      () => 'with nothing wanted, launches or removals do not come to an end',
    )
    // An end that could not be written is written by the next start.
    if (this.#intents.length > 0) this.manager.process.kill('at rest')
    await this.#until(
      6,
      () => this.#intents.length === 0 && this.manager.scaler !== undefined,
      6,
      () => `intents are left: ${this.#intents.join(', ')}`,
    )
    if (this.manager.logTrouble !== undefined)
      this.violate(5, `the log is silent, although there is room: ${this.manager.logTrouble.code}`)
    const callsBefore = this.#changes
    await this.advance(3 * minute)
    if (this.#changes > callsBefore)
      this.violate(3, 'with nothing wanted and nothing left, the fleet does not stay still')
  }

  /** What earlier jobs left is removed beside the next one: each slot gets another job. */
  async #workOnEachMachine(): Promise<void> {
    await this.advance(minute)
    const slots = this.cloud.ids.length * this.#setting.capacityPerInstance
    for (let slot = 0; slot < slots; slot += 1) this.coordinator.enqueue(25 * second)
    await this.advance(minute)
  }

  /** What remains after a clean stop: nothing of ours, and no timer. */
  async end(): Promise<void> {
    if (this.violations.length > 0) return
    let remaining: readonly string[] | undefined
    this.history.tell({ kind: 'process', process: this.manager.process.name, state: 'stopping' })
    void this.manager.stop().then((ids) => {
      remaining = ids
    })
    await this.clock.advance(2 * minute)
    this.history.tell({ kind: 'over' })
    this.#judgeHistory()
    if (remaining === undefined) this.violate(5, 'the manager does not stop')
    else if (this.#oursLeft.length > 0) this.violate(6, `left after the stop: ${this.#oursLeft.join(', ')}`)
  }

  #writeLog(bytes: Buffer): number {
    if (this.isLogFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    this.history.recorded('the log', bytes.toString())
    return bytes.length
  }

  async #until(rounds: number, reached: () => boolean, promise: Broken, otherwise: () => string): Promise<void> {
    let open = this.coordinator.open.length
    for (let round = 0; !reached(); round += 1) {
      if (this.violations.length > 0) return
      if (round === rounds) return this.violate(promise, otherwise())
      await this.advance(minute)
      // However slowly, it goes on.
      if (this.coordinator.open.length < open) round = 0
      open = this.coordinator.open.length
    }
  }

  /**
   * What is reported as nobody's is taken away by whoever reads the report: until then it takes up room below the
   * maximum.
   */
  #strangersLeave(): void {
    if (this.#setting.unknownInstances === 'remove') return
    const unknown = [...(this.manager.witness.provisioner?.instances().values() ?? [])].filter(
      ({ cause }) => cause === 'unexpected',
    )
    for (const id of this.cloud.ids)
      if (this.cloud.unaccountable.has(id) || (!this.canTellLaunches && unknown.some((instance) => instance.id === id)))
        this.cloud.preempt(id)
  }

  get #isQuiet(): boolean {
    const { provisioner } = this.manager.witness
    if (provisioner === undefined || provisioner.launchState().outstanding.length > 0) return false
    return [...provisioner.instances().values()].every(
      ({ cause, removal }) => cause === 'unexpected' && removal === undefined,
    )
  }

  /**
   * Machines that are there, or on their way, and should not be: a stranger's is left alone unless the setting says
   * otherwise, and where launches cannot be told apart nobody knows which one that is.
   */
  get #oursLeft(): readonly string[] {
    if (this.#hostDirectory !== undefined) return writtenLoans(this.#hostDirectory)
    const { ids, unaccountable } = this.cloud
    if (this.#setting.unknownInstances === 'remove') return ids
    const ours = ids.filter((id) => !unaccountable.has(id))
    return this.canTellLaunches ? ours : ids.slice(ids.length - ours.length)
  }

  /**
   * Whether each machine says which launch made it, before a stranger's can pass for the one that a launch is waited
   * for.
   */
  get canTellLaunches(): boolean {
    const { ids, tokens } = this.#setting.tells
    return tokens && (ids || this.cloud.unaccountable.size === 0)
  }

  /** Intents on the disk. */
  get #intents(): readonly string[] {
    return [...this.store.records.values()]
      .filter(({ kind }) => kind === 'launch' || kind === 'removal')
      .map(({ kind, key }) => `${kind} ${key}`)
  }

  #startManager(): Manager {
    const { maxInstances, capacityPerInstance, maxUseCount } = this.#setting
    this.#lives += 1
    const process: WorldProcess = new WorldProcess(this.clock, {
      name: `life${this.#lives}`,
      onKilled: (where) => this.#killed(process, where),
      onFrozen: (where, ms) => {
        this.note(`the manager stands still for ${ms} ms, ${where}`, true)
        // For one that stands still the coordinator does not answer.
        this.history.begins('coordinator')
        this.clock.after(ms, () => this.history.ends('coordinator'))
      },
    })
    this.#processes.add(process)
    this.history.tell({ kind: 'process', process: process.name, state: 'started' })
    const witness = new Witness({
      process,
      history: this.history,
      maxInstances,
      capacityPerInstance,
      maxUseCount,
      projects: this.#setting.projects,
      promiseCapMs,
      isStateTroubled: () => this.store.isTroubled,
      leases: this.#leases,
      violate: (promise, what) => this.violate(promise, what),
      note: (text) => this.note(text),
    })
    const manager: Manager = new Manager({
      ...this.#setting,
      // An operator says so where nobody has it: machines that strangers made would be in the way of a first start.
      takeOverGroup: this.#setting.holdsOwner !== true || this.cloud.owner === undefined,
      process,
      witness,
      createGroup: () => this.#groupOf(process, (member) => this.#cloudWitness(process, witness, member)),
      store: this.store.openedBy(process),
      coordinator: this.coordinator,
      promiseCapMs,
      policies: schedules[this.schedule]!,
      random: seededRandom(Math.floor(this.#random() * 2 ** 32)),
      ...(this.#setting.keepsLog === true && { writeLog: (bytes: Buffer) => this.#writeLog(bytes) }),
      bug: this.#bug,
    })
    void manager.departed.then(() => {
      if (!process.isAlive) return
      this.note(`${process.name} has handed the fleet over, and ends`)
      this.history.tell({ kind: 'process', process: process.name, state: 'stopped' })
      process.exit()
      this.#processes.delete(process)
      // Without a successor that lives the supervisor starts it again.
      if (this.manager === manager && this.revives) this.manager = this.#startManager()
    })
    return manager
  }

  /** The group that a process has for the cloud. */
  #groupOf(process: WorldProcess, witnessOf: (member: string) => CloudWitness): InstanceGroup {
    const { members } = this.cloud
    if (this.#hostDirectory !== undefined) {
      const hosts = hostGroup({ cloud: this.cloud, process, directory: this.#hostDirectory, random: this.#random })
      return processGroup(hosts, this.machines, process, witnessOf(''), hostOf)
    }
    if (members.length === 0) return processGroup(this.cloud, this.machines, process, witnessOf(''))
    const groupOf = (name: string): InstanceGroup =>
      processGroup(this.cloud.member(name), this.machines, process, witnessOf(name))
    const random = seededRandom(Math.floor(this.#random() * 2 ** 32))
    return memberGroups({ members, groupOf, clock: process.clock, random, logger: silentLogger })
  }

  #cloudWitness(process: WorldProcess, witness: Witness, member: string): CloudWitness {
    return {
      increases: (request) => this.#checkLaunch(process, request, member),
      increased: ({ placement = member }, error) => {
        if (isGroupError(error)) this.#refusals.set(placement, { process, at: this.clock.now(), code: error.code })
        else this.#refusals.delete(placement)
      },
      failed: (machine) =>
        this.history.trouble(machine === undefined ? 'cloud' : 'unreachable', machine === undefined ? {} : { machine }),
      listed: (worked) => {
        if (worked) this.#unreadable.delete(member)
        else if (this.#unreadable.get(member)?.process !== process)
          this.#unreadable.set(member, { process, since: this.clock.now() })
      },
      looked: () => this.#looks.set(process, (this.#looks.get(process) ?? 0) + 1),
      decreases: (ids) => {
        this.#changes += 1
        this.note(`delete ${ids.join(', ')}`)
        this.#checkOwner(process, ids)
        // A host that is taken back lives on.
        if (!this.hasHosts) this.history.tell({ kind: 'delete_asked', machines: ids, by: process.name })
        for (const id of ids) {
          for (const [key, instanceId] of this.#leases)
            if (instanceId === id) this.violate(1, `${id} is deleted while ${key} has a slot of it`)
          if (witness.isKept(id))
            this.violate(1, `${id} is deleted while somebody who embeds the library calls it busy`)
          // A call that stood still may name what went meanwhile.
          if (this.cloud.ids.includes(id) && !this.store.has('removal', id))
            this.violate(6, `${id} is deleted without a written intent`)
        }
      },
    }
  }

  /** Each delete follows a look at who has the group, and none is sent once it must be known that somebody else has. */
  #checkOwner(process: WorldProcess, ids: readonly string[]): void {
    if (this.#setting.holdsOwner !== true) return
    const looks = this.#looks.get(process) ?? 0
    this.#looks.set(process, looks - 1)
    if (looks <= 0) this.violate(1, `${ids.join(', ')} is deleted without a look at who has the group`)
    const now = this.clock.now()
    if (
      this.#claimedAt !== undefined &&
      this.cloud.owner?.id === strangerId &&
      now - Math.max(this.#claimedAt, process.thawedAt) > longestLookMs
    )
      this.violate(1, `${ids.join(', ')} is deleted ${now - this.#claimedAt} ms after somebody else took the group`)
  }

  #checkLaunch(process: WorldProcess, request: IncreaseRequest, member: string): void {
    const { count, launchToken } = request
    this.#changes += 1
    this.note(`launch ${count} as ${member === '' ? launchToken : `${launchToken}, in ${member}`}`)
    const token = member === '' ? launchToken : launchOf({ ...request, placement: member })
    this.history.tell({ kind: 'launch_asked', token, count, by: process.name })
    if (!this.store.has('launch', launchToken))
      this.violate(6, `launch ${launchToken} is made without a written intent`)
    // A launch that is sent in the same millisecond cannot know it yet.
    const unreadable = this.#unreadable.get(member)
    if (unreadable?.process === process && unreadable.since < this.clock.now())
      this.violate(5, `launch ${launchToken} is made while the group cannot be read`)
    const refusal = this.#refusals.get(request.placement ?? member)
    if (refusal?.process !== process) return
    const waitedMs = this.clock.now() - refusal.at
    const minMs = Math.min(minWaitMs[refusal.code] ?? 0, member === '' ? Number.POSITIVE_INFINITY : noCapacityMs)
    if (waitedMs < minMs) this.violate(5, `launched again ${waitedMs} ms after a refusal of kind ${refusal.code}`)
  }

  #judgeHistory(): void {
    for (const { breach, what } of this.history.findings()) this.violate(breach, what)
  }

  #killed(process: WorldProcess, where: string): void {
    this.kills += 1
    this.history.tell({ kind: 'process', process: process.name, state: 'killed' })
    this.#processes.delete(process)
    this.note(`the manager is killed ${where}`, true)
    if (process === this.#losesPower) {
      this.#losesPower = undefined
      this.cutPower(where)
    }
    // Its successor is there already.
    if (process !== this.manager.process) return
    const downMs = Math.floor(this.#random() * 30 * second)
    this.clock.after(downMs, () => {
      if (!this.revives) return
      this.note('the manager is started again', true)
      this.manager = this.#startManager()
    })
  }

  /**
   * A machine never runs more jobs at once than it has slots, never two in one directory, and no job's script twice at
   * once.
   */
  #started({ job = '', script, machine, directory, run }: RunningScript): void {
    this.started.push({ job, instanceId: machine })
    this.history.tell({ kind: 'script_started', run, machine, slot: directory, job, script })
    this.note(`${job} runs on ${machine}${script === 'step' ? '' : `, ${script}`}`)
    const others = this.machines.running.filter((other) => other.run !== run)
    for (const other of others) {
      if (other.job === job) this.violate(7, `${job} runs on ${machine} and on ${other.machine} at the same time`)
      else if (other.machine === machine && other.directory === directory)
        this.violate(7, `${other.job} and ${job} run on ${machine} at the same time, in ${directory}`)
    }
    // What a process that was killed left may run in its container until the sweep beside the next job has found it.
    const isLeft = (name: string): boolean =>
      this.#setting.inContainers === true &&
      this.coordinator.jobs.some((each) => each.name === name && each.state === 'ended' && !each.holder?.isAlive)
    const beside = others.filter((other) => other.machine === machine && !isLeft(other.job))
    if (beside.length >= this.#setting.capacityPerInstance)
      this.violate(
        7,
        `${machine} runs ${beside.map((other) => other.job).join(', ')} and ${job}: it has ${this.#setting.capacityPerInstance} slots`,
      )
  }

  /** What is kept for later jobs is meant to be left. */
  #made(machine: string, { kind, name, labels }: EngineThing, isStrange: boolean): void {
    if (labels['dev.runner-core.caches-of'] !== undefined) return
    const id = Number(labels['dev.runner-core.job'])
    const job = this.coordinator.jobs.find(({ api }) => api.id === id)?.name
    this.history.tell({
      kind: 'made',
      machine,
      thing: `${kind} ${name}`,
      ...(job !== undefined && !isStrange && { job }),
      ...(isStrange && { strange: true }),
    })
  }

  #between([low, high]: readonly [number, number]): () => number {
    return () => Math.round(low + this.#random() * (high - low))
  }
}
