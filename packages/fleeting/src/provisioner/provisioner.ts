import { systemClock, systemRandom } from '../contract/clock.ts'
import type { Connection } from '../contract/connection.ts'
import { deadline } from '../contract/deadline.ts'
import type { GroupError } from '../contract/errors.ts'
import type { GroupOwner } from '../contract/group-owner.ts'
import type { GroupInfo, InstanceGroup, ListedInstance } from '../contract/instance-group.ts'
import { loggedSeconds } from '../contract/logged-seconds.ts'
import { type Logger, silentLogger } from '../contract/logger.ts'
import { checkGroup, initGroup } from '../plugins/init-group.ts'
import { Journal } from '../state/journal.ts'
import { MemoryStateStore } from '../state/memory-state-store.ts'
import type { FleetLease, StateChange, StateRecord } from '../state/state-store.ts'
import { GroupCaller } from './calls/group-caller.ts'
import { Connections } from './connections/connections.ts'
import type { ProvisionerContext } from './context.ts'
import { Emptying } from './emptying.ts'
import { fleetRecords } from './fleet-records.ts'
import { giveBack, waitsNoLonger } from './give-back.ts'
import { GroupOwnedError } from './group-owned-error.ts'
import { ChangeFeed, type ChangeListener } from './instances/change-feed.ts'
import { cameBack, Departed } from './instances/departed.ts'
import { Disappearances } from './instances/disappearances.ts'
import { brokenReason, type Instance, restoredInstance } from './instances/instance.ts'
import { countInstances, type InstanceCounts } from './instances/instance-counts.ts'
import { Lister } from './instances/lister.ts'
import { inUseIntervalMs, pollIntervalMs } from './instances/poll-interval.ts'
import type { Origin } from './instances/reconcile.ts'
import { Roster } from './instances/roster.ts'
import type { GroupSurvey } from './instances/survey.ts'
import { IntentJournal, journalledInstances, unfinishedRemovals } from './intent-journal.ts'
import { type InstanceLimit, instanceLimit } from './launches/instance-limit.ts'
import { LaunchGate } from './launches/launch-gate.ts'
import type { LaunchState } from './launches/launch-state.ts'
import { Launcher, launchIsOver } from './launches/launcher.ts'
import { Lifecycle } from './lifecycle.ts'
import type {
  OwnerOptions,
  ProvisionerOptions,
  RequestOptions,
  ShutdownOptions,
  ShutdownReport,
  UnknownInstances,
  UsageRecords,
} from './options.ts'
import { Ownership } from './ownership.ts'
import { BusyChecks } from './removals/busy-checks.ts'
import { Remover } from './removals/remover.ts'
import { longestLagMs, resolveSettings } from './settings.ts'
import { sinceWallTime } from './since-wall-time.ts'

/**
 * Keeps one instance group: launches and removes instances, knows which exist, and tells who wants to know.
 * Level-triggered: `list` is the truth, events only make it be read sooner.
 *
 * An instance goes request → seen → running → gone. One that a busy check calls busy is never removed.
 */
export class Provisioner implements AsyncDisposable {
  /** What the group said about itself. */
  readonly info: GroupInfo
  readonly maxInstances: number
  readonly #context: ProvisionerContext
  readonly #lister: Lister
  readonly #gate: LaunchGate
  readonly #launcher: Launcher
  readonly #remover: Remover
  readonly #connections: Connections
  readonly #roster: Roster
  readonly #departed = new Departed()
  readonly #disappearances: Disappearances
  readonly #busyChecks: BusyChecks
  readonly #feed: ChangeFeed
  readonly #unknownInstances: UnknownInstances
  readonly #ownerOptions: OwnerOptions
  /** Whose the group is; set before anything is deleted. */
  #ownership: Ownership | undefined
  /** Where the caller keeps state; absent when nobody does. */
  readonly lease: FleetLease | undefined
  /** Whether the journal has every instance that is ours. */
  #isJournalled = false
  /** What has to be written once before all else. */
  #claimRecords: readonly StateChange[] = []
  readonly #usageRecords: UsageRecords | undefined
  /** What an earlier process kept about those who used the instances, and which instances that makes busy. */
  #usage: { readonly records: readonly StateRecord[]; readonly endBusy: () => void } | undefined
  /** Removals that an earlier process began. */
  #unfinished: ReadonlyMap<string, string> = new Map()
  /** Whether listeners are to be told although no instance changed. */
  #announce = false
  #passQueued = false
  #cancelPass = (): void => {}
  #stopInterruptions = (): void => {}
  readonly #lifecycle = new Lifecycle()
  /** While everything is being removed. */
  #emptying: Emptying | undefined
  #shutdown: Promise<ShutdownReport> | undefined
  #fenced: Error | undefined

  /**
   * Initialises the group and reads it once. Thrown: `GroupError` (what `init` and `list` throw; `invalid_config` for
   * bad settings, for a group that is none, or when `maxInstances` is above the group's own maximum); what the lease
   * throws; `GroupOwnedError`, when the group is another's (see `OwnerOptions`). `signal` ends the start, not the
   * provisioner.
   */
  static start(options: ProvisionerOptions, signal: AbortSignal): Promise<Provisioner> {
    return Provisioner.#open(options, signal, async (provisioner) => {
      await provisioner.#own(signal)
      provisioner.#begin()
    })
  }

  /**
   * What a start would find, and what it would do at once about instances that are broken. Only reads: `init`, `list`,
   * `owners` and `shutdown` are all that the group is asked. Thrown: as by `start`, but for `GroupOwnedError`: who has
   * the group is in the answer.
   */
  static async survey(options: ProvisionerOptions, signal: AbortSignal): Promise<GroupSurvey> {
    let owners: readonly GroupOwner[] | undefined
    const provisioner = await Provisioner.#open(options, signal, async (opened) => {
      owners = await opened.#ownership?.owners(signal)
      opened.#sweep(opened.#context.clock.now())
    })
    const survey = {
      info: provisioner.info,
      instances: new Map(provisioner.instances()),
      launches: provisioner.launchState(),
      ...(owners !== undefined && { owners }),
    }
    await provisioner.shutdown({ removeInstances: false })
    return survey
  }

  /** Nothing acts before `opened` has begun it. */
  static async #open(
    options: ProvisionerOptions,
    signal: AbortSignal,
    opened: (provisioner: Provisioner) => void | Promise<void>,
  ): Promise<Provisioner> {
    const { group, clock = systemClock, random = systemRandom, observer = {}, logger = silentLogger } = options
    checkGroup(group)
    const configured = resolveSettings(options.settings)
    const caller = new GroupCaller({ clock, random, observer, timeoutMs: configured.callTimeoutMs })
    try {
      const lease = options.lease ?? (await new MemoryStateStore().lease('default'))
      const journal = Journal.over({ lease, clock, logger })
      const info = await caller.call('init', (limit) => initGroup(group, limit), signal)
      const settings = { ...configured, listLagMs: longestLagMs(configured, info) }
      const intents = new IntentJournal({
        journal,
        clock,
        timeoutMs: settings.callTimeoutMs,
        onFenced: (error) => provisioner.#fence(error),
      })
      const context = {
        group,
        caller,
        intents,
        settings,
        clock,
        random,
        logger,
        observer,
        wake: () => provisioner.#wake(),
      }
      const provisioner: Provisioner = new Provisioner(
        context,
        { ...options, ...(options.lease && { lease: journal }) },
        info,
        instanceLimit(options.maxInstances, info),
      )
      await provisioner.#read(journal, signal)
      await opened(provisioner)
      return provisioner
    } catch (error) {
      caller.close()
      await endGroup(group, caller, logger)
      throw error
    }
  }

  private constructor(context: ProvisionerContext, options: ProvisionerOptions, info: GroupInfo, limit: InstanceLimit) {
    const { connector, isBusy, lease, usage, unknownInstances = 'report', owner = {} } = options
    this.#usageRecords = usage
    this.info = info
    this.lease = lease
    this.#unknownInstances = unknownInstances
    this.#ownerOptions = owner
    this.maxInstances = limit.maxInstances
    this.#context = context
    const { settings, clock, logger } = context
    this.#roster = new Roster(context)
    this.#feed = new ChangeFeed(logger)
    this.#busyChecks = new BusyChecks(logger)
    if (isBusy !== undefined) this.#busyChecks.add(isBusy)
    this.#lister = new Lister(context, {
      intervalMs: () => this.#pollIntervalMs(),
      listed: (rows, readAt) => this.#reconcile(rows, readAt),
      worked: () => this.#gate.worked('list'),
      failed: (error) => {
        this.#gate.tripped('list', error)
        this.#announce = true
      },
    })
    this.#gate = new LaunchGate(context, limit.maxInstances)
    this.#launcher = new Launcher(context, this.#gate, {
      limit,
      known: () => this.#roster.instances.size,
      isKnown: (id) => this.#roster.instances.has(id),
      lastList: () => this.#lister.lastGood,
      nextList: () => this.#lister.next,
      listFailure: () => this.#lister.failure(clock.now()),
      knowsTokens: () => info.capabilities?.includes('launch_tokens') ?? false,
      closed: () => this.#lifecycle.rules.isClosed,
      expectInstances: () => this.#lister.soon(),
      askList: () => this.#lister.again(),
      changed: () => {
        this.#announce = true
      },
    })
    this.#remover = new Remover(context, this.#gate, {
      isBusy: (id) => this.#busyChecks.isBusy(id),
      stopped: () => this.#lifecycle.isStopped,
      look: (ids) => this.#look(ids),
      withdrawn: (id) => this.#withdraw(id),
      expectLess: () => this.#lister.soon(),
    })
    this.#disappearances = new Disappearances(context, {
      instances: () => this.#roster.instances.values(),
      isDeleted: (...reading) => this.#isDeleted(...reading),
      lagMs: () => settings.listLagMs,
      heardAt: (id) => this.#connections.heardAt(id),
      lifeSign: (id, signal) => this.#connections.lifeSign(id, signal),
      gone: (ids) => this.#lose(ids),
      mayBeDeleted: (id) => this.#mayBeDeleted(id),
    })
    this.#connections = new Connections(context, connector, {
      instance: (id) => this.#roster.instances.get(id),
      isBusy: (id) => this.#busyChecks.isBusy(id),
      askList: () => this.#lister.soon(),
      used: () => this.#lister.within(inUseIntervalMs(this.#roster.instances.size, settings)),
      failing: (id, why) => this.#setFailing(id, why),
      replace: (id, reason) => this.remove([id], reason).length > 0,
      booted: (placement, failure) => this.#launcher.booted(placement, failure),
    })
  }

  /** All known instances: a live view of immutable values. */
  instances(): ReadonlyMap<string, Instance> {
    return this.#roster.instances
  }

  /**
   * Asks for `count` more instances and answers how many it took, 0 … `count`: as many as `launchAllowance` of the
   * launch state allows. The rest is not queued: ask again once the state has changed. Those taken count as outstanding
   * until they are seen, refused, or past their deadline. Thrown: `RangeError` for a placement that the group has not.
   */
  request(count: number, { placement, reason }: RequestOptions): number {
    if (placement !== undefined && !this.info.placements?.includes(placement))
      throw new RangeError(`the group ${this.info.id} has no placement ${placement}`)
    return this.#launcher.request(count, placement, reason)
  }

  /**
   * Cordons instances and removes them: from this call on they are not usable; the intent is written, busy checks are
   * asked once more, then the delete is sent until `list` shows them gone. Answers the ids that are on their way out
   * now; unknown and busy ones are left alone.
   */
  remove(ids: Iterable<string>, reason: string): readonly string[] {
    const taken = [...ids].filter((id) => this.#remove(id, reason))
    this.#tell()
    return taken
  }

  /**
   * Registers who knows whether an instance is in use. What any check calls busy is not deleted, whoever asked for it.
   * Asked on every pass and right before each delete: answer from memory. Whoever lends instances out must not lend one
   * whose `removal` is set. Returns how to stop.
   */
  addBusyCheck(isBusy: (instanceId: string) => boolean): () => void {
    this.#wake()
    return this.#busyChecks.add(isBusy)
  }

  /** Whether it was started with `ProvisionerOptions.usage`. */
  get readsUsage(): boolean {
    return this.#usageRecords !== undefined
  }

  /**
   * What an earlier process kept about those who used the instances; see `ProvisionerOptions.usage`. The instances
   * that were in use then are busy until this is called: register a busy check that knows better first. Later calls
   * return nothing.
   */
  takeUsage(): readonly StateRecord[] {
    const usage = this.#usage
    this.#usage = undefined
    usage?.endBusy()
    return usage?.records ?? []
  }

  /**
   * The slot's connection to an instance, kept between calls. How it went counts for the instance's health, a signal
   * that aborts with a `ConnectionError` too: the caller's own limit. One that could be reached before is unhealthy at
   * once, until its checks succeed again. Thrown: `ConnectionError`; `GroupError` (`not_ready`: try again later;
   * `transient`: this provisioner is over; `not_found`: gone); the signal's reason.
   */
  connect(instanceId: string, slot: number, signal: AbortSignal): Promise<Connection> {
    return this.#connections.connect(instanceId, slot, signal)
  }

  /**
   * Work found that the instance does not do: its ready command failed, commands on it break. Counts as one failed
   * check, and, unless it was reported good before, as a failed boot: launches back off. What `connect` threw is
   * counted already.
   */
  reportFailure(instanceId: string, error: Error): void {
    this.#connections.reportFailure(instanceId, error)
  }

  /** Work found the instance good: it became ready. Counts as one good check. */
  reportSuccess(instanceId: string): void {
    this.#connections.reportSuccess(instanceId)
  }

  /** All that decides about launches, as plain data. */
  launchState(now: number = this.#context.clock.now()): LaunchState {
    return this.#launcher.state(now)
  }

  /** Instances by state, for gauges: those on their way out count as `deleting`. */
  counts(): InstanceCounts {
    return countInstances(this.#roster.instances.values(), this.#launcher.counts())
  }

  /** `Clock.now()` at the begin of the last successful `list`: the loop's progress, for a health endpoint. */
  get listedAt(): number {
    return this.#lister.lastGood.beganAt
  }

  /** Why the last `list` did not work; undefined once one has. */
  get listError(): GroupError | undefined {
    return this.#lister.error
  }

  /** Why the group cannot be asked anything now, as far as it tells; undefined while it can. */
  get groupTrouble(): string | undefined {
    return this.#context.group.trouble?.()
  }

  /** While many instances fail their checks at once, so that none is removed for it: since when. */
  get massFailureSince(): number | undefined {
    return this.#connections.massFailureSince
  }

  /** How many instances `list` leaves out that are not known to be gone. */
  get missingCount(): number {
    let count = 0
    for (const { missed } of this.#roster.instances.values()) if (missed) count += 1
    return count
  }

  /** While so many instances are missing from `list` at once that it is not believed: since when. */
  get massDisappearanceSince(): number | undefined {
    return this.#disappearances.brakedSince
  }

  /** Set once this provisioner may not act any more, because another process owns the fleet. */
  get fenced(): Error | undefined {
    return this.#fenced
  }

  /**
   * Calls `listener` right after each change: of instances, which it lists, or of the launch state, with an empty list.
   * It may call back, and must not throw. Returns how to stop.
   */
  onChange(listener: ChangeListener): () => void {
    return this.#feed.listen(listener)
  }

  /**
   * Launches nothing more, removes instances if asked, ends every call under way and calls the group's `shutdown`.
   * Later calls get the first one's answer.
   */
  shutdown(options: ShutdownOptions): Promise<ShutdownReport> {
    this.#shutdown ??= this.#end(options)
    return this.#shutdown
  }

  /** As `shutdown` without removing anything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown({ removeInstances: false })
  }

  async #read(lease: FleetLease, signal: AbortSignal): Promise<void> {
    const { logger } = this.#context
    for (const { code, severity, message, fix } of this.info.findings ?? [])
      logger.warn({ group: this.info.id, code, severity, problem: message, fix }, 'group needs attention')
    const onLost = (): void => this.#fence(lease.lost.reason)
    if (lease.lost.aborted) onLost()
    else lease.lost.addEventListener('abort', onLost, { once: true })
    const records = await lease.load([...fleetRecords.kinds, ...(this.#usageRecords?.kinds ?? [])])
    this.#claimRecords = fleetRecords.claim(records)
    const { group, caller, intents, clock } = this.#context
    const groupId = this.info.id
    this.#ownership = new Ownership({
      group,
      groupId,
      owner: this.#ownerOptions,
      lease: this.lease,
      records,
      caller,
      intents,
      clock,
      logger,
    })
    this.#launcher.restore(records)
    this.#unfinished = unfinishedRemovals(records)
    this.#restoreInstances(records)
    this.#restoreUsage(records)
    await this.#lister.first(signal)
  }

  /** Makes the group ours, before anything acts on it. */
  async #own(signal: AbortSignal): Promise<void> {
    const there = [...this.#roster.instances.values()].filter(({ state }) => state !== 'deleted')
    await this.#ownership?.take({ instances: there.length, isJournalled: this.#isJournalled }, signal)
  }

  /** Whose the group is, before instances are deleted. One that has got another owner is left at once. */
  async #look(ids: readonly string[]): Promise<void> {
    try {
      await this.#ownership?.look(ids)
    } catch (error) {
      if (error instanceof GroupOwnedError) this.#fence(error)
      throw error
    }
  }

  /**
   * What an earlier process had is known before the first `list`: if that does not show it, it is looked for, as
   * always.
   */
  #restoreInstances(records: readonly StateRecord[]): void {
    const { clock } = this.#context
    const instances = journalledInstances(records)
    this.#isJournalled = instances !== undefined
    const now = clock.now()
    for (const { atWallTime, lostAtWallTime, ...kept } of instances ?? []) {
      if (lostAtWallTime !== undefined) {
        this.#departed.add(kept.id, kept, sinceWallTime(clock, lostAtWallTime))
        continue
      }
      const reason = this.#unfinished.get(kept.id)
      const seenAt = sinceWallTime(clock, atWallTime)
      this.#roster.seed(
        restoredInstance({ ...kept, seenAt, ...(reason !== undefined && { removal: { reason, at: now } }) }, now),
      )
    }
  }

  #restoreUsage(records: readonly StateRecord[]): void {
    if (this.#usageRecords === undefined) return
    const { kinds, busy } = this.#usageRecords
    const kept = records.filter(({ kind }) => kinds.includes(kind))
    const inUse = new Set(busy(kept))
    this.#usage = { records: kept, endBusy: this.#busyChecks.add((id) => inUse.has(id)) }
  }

  #begin(): void {
    const { group, intents } = this.#context
    const unfinished = this.#unfinished
    this.#lifecycle.enter('running')
    for (const [id, reason] of unfinished) {
      if (this.#roster.instances.has(id)) this.#beginRemoval(id, reason)
      else intents.end('removal', id)
    }
    for (const { kind, key } of this.#usage?.records ?? [])
      if (kind === this.#usageRecords?.ofInstance && !this.#roster.instances.has(key)) this.#endUsage(key)
    for (const instance of this.#roster.instances.values()) if (instance.cause !== 'unexpected') this.#keep(instance)
    for (const change of this.#claimRecords) intents.noteChange(change)
    if (!this.#isJournalled) intents.noteJournalled()
    intents.begin()
    this.#connections.begin()
    this.#disappearances.begin()
    this.#stopInterruptions =
      group.onInterruption?.((id, atWallTime) => this.#interrupted(id, atWallTime)) ?? this.#stopInterruptions
    this.#wake()
  }

  #wake(): void {
    if (this.#passQueued || !this.#lifecycle.rules.acts) return
    this.#passQueued = true
    queueMicrotask(() => {
      this.#passQueued = false
      this.#pass()
    })
  }

  /** Everything that is due now is begun; nothing is waited for. */
  #pass(): void {
    if (!this.#lifecycle.rules.acts) return
    const now = this.#context.clock.now()
    this.#launcher.pass(now)
    this.#sweep(now)
    this.#remover.pass(now)
    this.#lister.pass(now)
    this.#tell()
    this.#emptying?.look()
    this.#cancelPass()
    const next = Math.min(this.#lister.nextAt(), this.#launcher.nextAt(now), this.#remover.nextAt())
    if (next < Infinity) this.#cancelPass = this.#context.clock.after(Math.max(0, next - now), () => this.#pass())
  }

  /**
   * Removes what nobody can use, and everything when that is wanted, by their ids even instances that were asked for
   * and that no `list` has shown.
   */
  #sweep(now: number): void {
    const { removes } = this.#lifecycle.rules
    const removesAll = removes === 'all' || removes === 'unseen too'
    for (const instance of this.#roster.instances.values()) {
      if (instance.removal !== undefined || this.#isLeftAlone(instance)) continue
      // Many that are missing at once are more likely a list that is wrong.
      const isDoubtful = instance.missed && this.massDisappearanceSince !== undefined
      const broken = isDoubtful ? undefined : brokenReason(instance, now, this.#context.settings.stuckTimeoutMs)
      if (broken !== undefined && !instance.missed) this.#connections.boots.failed(instance, broken)
      const unknown =
        instance.cause === 'unexpected'
          ? 'this fleet did not request it, and unknown instances are to be removed'
          : undefined
      const reason = broken ?? unknown ?? (removesAll ? 'shutdown' : undefined)
      if (reason !== undefined) this.#remove(instance.id, reason)
    }
    if (!removesAll) return
    for (const id of this.#launcher.unlisted(removes === 'all' ? 'expired' : 'all')) this.#remover.mark(id, 'shutdown')
  }

  #tell(): void {
    const changes = this.#roster.takeChanges()
    if (changes.length === 0 && !this.#announce) return
    this.#announce = false
    this.#feed.tell(changes)
  }

  #reconcile(rows: readonly ListedInstance[], readAt: (id: string) => number): void {
    const now = this.#context.clock.now()
    for (const id of this.#departed.expire(now)) this.#context.intents.end('instance', id)
    this.#launcher.listed(rows)
    const changes = this.#roster.reconcile({
      rows,
      readAt,
      isDeleted: (...reading) => this.#isDeleted(...reading),
      origin: (row) => this.#originOf(row, now),
    })
    for (const { kind, instance } of changes) {
      if (kind === 'seen') this.#meet(instance)
      if (kind === 'gone') this.#part(instance, now)
      else if (kind === 'seen' && instance.removal !== undefined)
        this.#beginRemoval(instance.id, instance.removal.reason)
    }
    const absent = new Map<string, number>()
    for (const { id, missingSince } of this.#roster.instances.values())
      if (missingSince !== undefined) absent.set(id, readAt(id))
    this.#disappearances.listed(absent, new Set(rows.flatMap(({ id, state }) => (state === 'deleted' ? [id] : []))))
    this.#tell()
  }

  /** Of an instance that was to be removed before it was seen here. */
  #beginRemoval(id: string, reason: string): void {
    if (reason === cameBack) this.#disappearances.returned(id)
    else this.#remover.mark(id, reason)
  }

  /** While somebody is at work there, it is not gone for the list's word alone. */
  #isDeleted(id: string, since: number, readAt: number): boolean {
    return !this.#busyChecks.isBusy(id) && this.#remover.explains(id, since, readAt)
  }

  #lose(ids: readonly string[]): void {
    for (const { instance } of this.#roster.lose(ids)) this.#part(instance, this.#context.clock.now())
    this.#context.wake()
    this.#tell()
  }

  #mayBeDeleted(id: string): void {
    const removal = this.#roster.instances.get(id)?.removal
    if (removal !== undefined) this.#remover.mark(id, removal.reason)
  }

  #originOf(row: ListedInstance, now: number): Origin {
    if (this.#lifecycle.phase === 'reading' && !this.#isJournalled) {
      this.#launcher.claim(row, { byTokenOnly: true })
      const reason = this.#unfinished.get(row.id)
      return { cause: 'adopted', ...(reason !== undefined && { removal: { reason, at: now } }) }
    }
    const returned = this.#departed.origin(row.id, now)
    if (returned !== undefined) return returned
    const claimed = this.#launcher.claim(row, { byTokenOnly: false })
    if (claimed !== undefined) return { cause: 'requested', requestedAt: claimed.requestedAt }
    // It was removed before, or passes for somebody else's: in any case nobody waits for it.
    if (this.#launcher.isOwn(row)) return { cause: 'requested', removal: { reason: launchIsOver, at: now } }
    return { cause: 'unexpected' }
  }

  /** The first that is done about an instance. */
  #meet(instance: Instance): void {
    const { id, state, cause } = instance
    if (cause !== 'unexpected') {
      if (this.#lifecycle.phase !== 'reading') this.#keep(instance)
    } else if (this.#unknownInstances !== 'leave') {
      const what = this.#unknownInstances === 'remove' ? 'is removed' : 'gets no work and is left alone'
      this.#context.logger.warn(
        { instance: id, state, cause },
        `instance that this fleet did not request: it ${what}; see unknown_instances`,
      )
    }
  }

  #keep({ id, cause, placement, seenAt, removal }: Instance, lostAt?: number): void {
    if (cause === 'unexpected') return
    const { intents, clock } = this.#context
    const wallTimeOf = (at: number): number => clock.wallTime() - (clock.now() - at)
    intents.note('instance', id, {
      cause,
      ...(placement !== undefined && { placement }),
      atWallTime: wallTimeOf(seenAt),
      ...(lostAt !== undefined && { lostAtWallTime: wallTimeOf(lostAt) }),
    })
    // Together, or the next process would take one that came back for a good one.
    if (removal !== undefined && lostAt === undefined)
      intents.note('removal', id, { reason: removal.reason, atWallTime: clock.wallTime() })
  }

  /** Nobody here made it, and nobody here removes it. */
  #isLeftAlone({ cause }: Instance): boolean {
    return cause === 'unexpected' && this.#unknownInstances !== 'remove'
  }

  /** The last that is done about an instance. */
  #part(instance: Instance, now: number): void {
    const { id } = instance
    this.#departed.add(id, instance, now)
    const sentAt = this.#remover.end(id)
    if (sentAt !== undefined) this.#context.observer.deletionTime?.(now - sentAt)
    this.#connections.forget(id)
    this.#disappearances.forget(id)
    const { intents } = this.#context
    if (sentAt !== undefined) intents.end('instance', id)
    else {
      // Nobody deleted it, so it may come back.
      this.#keep(instance, now)
      if (instance.removal !== undefined) intents.end('removal', id)
    }
    this.#endUsage(id)
  }

  #endUsage(id: string): void {
    if (this.#usageRecords === undefined) return
    this.#context.intents.noteChange({ kind: this.#usageRecords.ofInstance, key: id, value: null })
  }

  #remove(id: string, reason: string): boolean {
    const instance = this.#roster.instances.get(id)
    if (instance === undefined || this.#lifecycle.isStopped) return false
    if (instance.removal !== undefined) return true
    if (this.#busyChecks.isBusy(id)) return false
    this.#context.logger.info({ instance: id, reason }, 'instance marked for removal')
    this.#roster.change(id, { removal: { reason, at: this.#context.clock.now() } })
    this.#connections.release(id)
    this.#remover.mark(id, reason)
    return true
  }

  #withdraw(id: string): void {
    this.#remover.end(id)
    this.#roster.change(id, { removal: undefined })
    this.#tell()
  }

  #setFailing(id: string, why: string | undefined): void {
    // Its connections were ended by us.
    if (this.#lifecycle.isStopped) return
    this.#context.logger.warn(
      { instance: id, why },
      why === undefined ? 'instance healthy again' : 'instance unhealthy',
    )
    this.#roster.change(id, { failing: why })
    this.#tell()
  }

  /** A cloud may say it again, and may say only later when: what is no news changes nothing. */
  #interrupted(id: string, atWallTime: number | undefined): void {
    const { clock, logger } = this.#context
    const instance = this.#roster.instances.get(id)
    if (
      instance === undefined ||
      (instance.interruptedAt !== undefined && (atWallTime === undefined || instance.goesAt !== undefined))
    )
      return
    const now = clock.now()
    const goesAt = atWallTime === undefined ? undefined : now + atWallTime - clock.wallTime()
    const inSeconds = goesAt !== undefined && { in_seconds: loggedSeconds(goesAt - now) }
    logger.warn({ instance: id, ...inSeconds }, 'instance interruption announced')
    this.#roster.change(id, { interruptedAt: instance.interruptedAt ?? now, goesAt })
    this.#tell()
    this.#lister.soon()
  }

  #pollIntervalMs(): number {
    const { settings, clock } = this.#context
    if (this.#emptying !== undefined) return Math.min(settings.updateIntervalWhenExpectingMs, 500)
    return pollIntervalMs(
      {
        launching: this.#launcher.expecting,
        instances: this.#roster.instances.values(),
        isBusy: (id) => this.#busyChecks.isBusy(id),
        now: clock.now(),
      },
      settings,
    )
  }

  /**
   * Another process owns the fleet: nothing is done from here on. Connections end too, and none can be made: what works
   * over them would act on machines that are not ours any more.
   */
  #fence(error: Error): void {
    if (this.#fenced !== undefined) return
    this.#fenced = error
    this.#context.logger.error(
      { err: error },
      error.cause === undefined ? 'the fleet has another owner, stopped' : 'the state of the fleet is gone, stopped',
    )
    this.#halt()
    void this.#connections.close()
    this.#announce = true
    this.#tell()
  }

  #halt(): void {
    this.#lifecycle.enter('stopped')
    this.#cancelPass()
    this.#stopInterruptions()
    this.#connections.halt()
    this.#disappearances.close()
    this.#context.caller.close()
    this.#emptying?.look()
  }

  async #end({ removeInstances, timeoutMs = 30_000, signal }: ShutdownOptions): Promise<ShutdownReport> {
    const { logger, group, caller } = this.#context
    logger.info({ remove_instances: removeInstances }, 'received shutdown signal; stopping provisioner')
    this.#lifecycle.enter('closing')
    this.#announce = true
    this.#tell()
    if (removeInstances && !this.#lifecycle.isStopped) await this.#empty(timeoutMs, signal)
    const missing = removeInstances ? await this.#missing(signal) : []
    const ours = [...this.#roster.instances.values()]
      .filter((instance) => !this.#isLeftAlone(instance))
      .map(({ id }) => id)
    const remaining = removeInstances ? [...ours, ...missing] : []
    if (missing.length > 0)
      logger.error({ missing }, 'requested instances did not appear in time to be removed: check whether they exist')
    if (removeInstances && remaining.length === 0 && !this.#lifecycle.isStopped) await this.#release(signal)
    this.#halt()
    await this.#connections.close()
    // A plugin may give up or end what it holds, and that is another process's now.
    if (this.#fenced === undefined) await endGroup(group, caller, logger)
    logger.info({ remaining }, 'provisioner shutdown completed')
    return { remaining }
  }

  /** What was asked for and has not come, by name. */
  async #missing(signal: AbortSignal | undefined): Promise<readonly string[]> {
    if (this.#lifecycle.isStopped) return this.#launcher.mayAppear()
    return await giveBack(this.#context, this.#launcher, signal)
  }

  /** Nothing of ours is left: the next may have the group. */
  async #release(signal: AbortSignal | undefined): Promise<void> {
    const { clock, settings } = this.#context
    using limit = deadline(clock, settings.shutdownDeletionIntervalMs, waitsNoLonger, signal)
    await this.#ownership?.release(limit.signal)
  }

  async #empty(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.#emptying = new Emptying({
      context: this.#context,
      lifecycle: this.#lifecycle,
      launcher: this.#launcher,
      remover: this.#remover,
      instances: () => this.#roster.instances.values(),
      isLeftAlone: (instance) => this.#isLeftAlone(instance),
    })
    await this.#emptying.run(timeoutMs, signal)
    this.#emptying = undefined
  }
}

async function endGroup(group: InstanceGroup, caller: GroupCaller, logger: Logger): Promise<void> {
  try {
    await caller.call('shutdown', () => group.shutdown(), new AbortController().signal)
  } catch (error) {
    logger.error({ err: error }, 'group shutdown failed')
  }
}
