import { backoffMs } from '../contract/backoff.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { deadline } from '../contract/deadline.ts'
import { asGroupError, GroupError } from '../contract/errors.ts'
import type { ConnectorConfig, GroupInfo, InstanceGroup, ListedInstance } from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import { untilAbort } from '../contract/until-abort.ts'
import { initGroup } from '../plugins/init-group.ts'
import { parseList } from '../provisioner/instances/parse-list.ts'
import { callBackoffCurve } from '../provisioner/launches/backoff.ts'
import { tripsBreaker } from '../provisioner/launches/launch-breaker.ts'
import { type Availability, afterProof, afterRefusal, openAvailability } from './availability.ts'
import type { MemberState } from './choose-members.ts'
import { namedError } from './contained-error.ts'
import { fleetId } from './fleet-id.ts'
import { hasParts } from './group-of-parts.ts'
import type { LaunchJournal } from './launch-journal.ts'

/** One of the groups that a multi group is made of. */
export interface MultiMember {
  /**
   * Letters, digits, `-`, `_` and `.`; unique. Stands before each instance id, and is the placement of its instances.
   */
  readonly name: string
  /** Makes the group; again after an `init` that failed. What it throws ends the start. */
  create(): InstanceGroup | Promise<InstanceGroup>
  /** Its own part of the connector's settings. */
  readonly connector?: ConnectorConfig
  /** Jobs that an instance there runs at once, ≥ 1, where that is less than elsewhere. */
  readonly capacityPerInstance?: number
  /** The most instances there. Default: the group's own maximum. */
  readonly maxInstances?: number
  /** Share of the fleet when launches go by weight; > 0. Default 1. */
  readonly weight?: number
  /** What an instance costs in any unit that all members share; only compared. */
  readonly price?: number
}

export interface MemberContext {
  readonly journal: LaunchJournal
  readonly noCapacityMs: number
  /** Makes the group the fleet's, when it has been initialised. */
  join(group: InstanceGroup, signal: AbortSignal): Promise<void>
  /** The cloud will take an instance away; the id is the fleet's. */
  interrupted(id: string, atWallTime: number | undefined): void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Below the deadline of the provisioner, so that one member that hangs does not fail the call for all. */
const callTimeoutMs = 30_000

/** So long a list waits for a group, after the first time. */
const slowListMs = 1000

/** One member at work: its group, what is known of it, and how far it can be relied on now. Ids are its own. */
export class GroupMember {
  readonly name: string
  readonly weight: number
  readonly #options: MultiMember
  readonly #context: MemberContext
  #group: InstanceGroup | undefined
  #info: GroupInfo | undefined
  #availability: Availability = openAvailability
  #rows: readonly ListedInstance[] = []
  #readAt = Number.NEGATIVE_INFINITY
  #wasTried = false
  #reading: Promise<void> | undefined
  readonly #closing = new AbortController()
  #stopInterruptions = (): void => {}
  #failure: { readonly failures: number; readonly until: number; readonly error: GroupError } | undefined

  constructor(options: MultiMember, context: MemberContext) {
    this.name = options.name
    this.weight = options.weight ?? 1
    this.#options = options
    this.#context = context
  }

  /** Makes the group without calling it. */
  async create(): Promise<InstanceGroup> {
    this.#group ??= await this.#options.create()
    return this.#group
  }

  get connector(): ConnectorConfig | undefined {
    return this.#options.connector
  }

  get capacityPerInstance(): number | undefined {
    return this.#options.capacityPerInstance
  }

  /** What `init` said, once it has worked. */
  get info(): GroupInfo | undefined {
    return this.#info
  }

  /** Why the group could not be read when that was last tried; undefined: it could. */
  get unreadable(): GroupError | undefined {
    return this.#failure?.error
  }

  /**
   * Why no call can reach the group now: it says so, or has not been initialised yet. A group whose cloud does not
   * answer can be reached.
   */
  get trouble(): string | undefined {
    if (this.#info === undefined) return this.#failure?.error.message ?? `${this.name}: it has not been initialized`
    return this.#named(this.#group?.trouble?.())
  }

  /** Why the group, or a part of it where it has parts, cannot be reached or read now. */
  get partTrouble(): string | undefined {
    const group = this.#group
    const ofParts = group !== undefined && hasParts(group) ? this.#named(group.partTrouble()) : undefined
    return this.trouble ?? ofParts ?? this.#failure?.error.message
  }

  #named(trouble: string | undefined): string | undefined {
    return trouble === undefined ? undefined : `${this.name}: ${trouble}`
  }

  /** The most instances that it may have; `Infinity` while nobody knows. */
  get limit(): number {
    return Math.min(
      this.#options.maxInstances ?? Number.POSITIVE_INFINITY,
      this.#info?.maxSize ?? Number.POSITIVE_INFINITY,
    )
  }

  /** Initialises the group. Thrown: what `init` throws; `invalid_config` when the group has placements of its own. */
  async init(signal: AbortSignal): Promise<GroupInfo> {
    const group = await this.create()
    try {
      const info = await this.#limited('init', signal, (limit) => initGroup(group, limit))
      if (info.placements !== undefined && info.placements.length > 1)
        throw new GroupError(
          'invalid_config',
          `expected a group without placements of its own, got ${info.placements.join(', ')}`,
        )
      await this.#limited('claim', signal, (limit) => this.#context.join(group, limit))
      this.#info = info
      this.#failure = undefined
      this.#stopInterruptions =
        group.onInterruption?.((id, at) => this.#context.interrupted(fleetId(this.name, id), at)) ?? (() => {})
      return info
    } catch (thrown) {
      // Its `init` is called once only: the next try is made with another one.
      this.#group = undefined
      await group.shutdown().catch(() => {})
      signal.throwIfAborted()
      throw this.#unread(asGroupError(thrown))
    }
  }

  /** The group, for a call that concerns an instance. Thrown: `transient`, when it has not been initialised yet. */
  get group(): InstanceGroup {
    if (this.#group === undefined || this.#info === undefined) {
      const why = this.#failure === undefined ? 'it has not been initialized' : this.#failure.error.message
      throw new GroupError('transient', `${this.name} cannot be used yet: ${why}`)
    }
    return this.#group
  }

  /** A call to the group, with a deadline of its own. Thrown: what the group throws; the signal's reason. */
  call<T>(
    operation: string,
    signal: AbortSignal,
    run: (group: InstanceGroup, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { group } = this
    return this.#limited(operation, signal, (limit) => run(group, limit))
  }

  /**
   * What the group has now, or, when it cannot be read or takes long, what it had when it could: no row is ever left
   * out for that. While it cannot be read it is asked less and less often, unless `must`. Empty as long as it was never
   * read. Thrown: only the signal's reason.
   */
  async rows(signal: AbortSignal, must: boolean): Promise<readonly ListedInstance[]> {
    const { clock } = this.#context
    if (must || this.#failure === undefined || clock.now() >= this.#failure.until) this.#read()
    if (this.#reading !== undefined) {
      const patienceMs = this.#wasTried ? slowListMs : callTimeoutMs
      using patience = deadline(clock, patienceMs, () => new Error('slow'), signal)
      await untilAbort(this.#reading, patience.signal).catch(() => {})
    }
    signal.throwIfAborted()
    return this.#rows
  }

  /** When the reading began that the rows are of, as far as it tells of an instance; `-Infinity`: there was none. */
  get readAt(): (id: string) => number {
    const readAt = this.#readAt
    return (id) => Math.min(readAt, this.#group?.readAt?.(id) ?? readAt)
  }

  /** How late the group's list may be, as far as it says so. */
  get listLagMs(): number {
    return this.#info?.listLagMs ?? 0
  }

  /**
   * Begins a reading, if none is under way: one that is slow, perhaps since its rate limit is low, holds up neither the
   * other groups nor itself.
   */
  #read(): void {
    this.#reading ??= this.#readOnce(this.#closing.signal).finally(() => {
      this.#reading = undefined
      this.#wasTried = true
    })
  }

  async #readOnce(signal: AbortSignal): Promise<void> {
    const { clock, logger, journal } = this.#context
    try {
      if (this.#info === undefined) await this.init(signal)
      const beganAt = clock.now()
      const answer = await this.call('list', signal, (group, limit) => group.list(limit))
      const rows = journal.listed(this.name, parseList(answer), beganAt, this.listLagMs)
      if (this.#failure !== undefined) logger.info({ group: this.name }, 'group can be read again')
      this.#failure = undefined
      this.#learn(rows)
      this.#rows = rows
      this.#readAt = beganAt
    } catch (thrown) {
      if (this.#info !== undefined && !signal.aborted) this.#unread(asGroupError(thrown))
    }
  }

  /** For sharing out launches. */
  state(): MemberState {
    const missing = this.#context.journal.missing(this.name)
    const rows = this.#rows.filter(({ state }) => state !== 'deleted')
    const booting = rows.filter(({ state }) => state === 'creating').length
    const { trouble } = this
    const unreadable =
      this.#failure?.error ?? (trouble === undefined ? undefined : new GroupError('transient', trouble))
    return {
      name: this.name,
      availability: this.#availability,
      ...(unreadable !== undefined && { unreadable }),
      limit: this.limit,
      size: rows.length + missing,
      booting: booting + missing,
      weight: this.weight,
    }
  }

  /** A launch there was refused, at once or later. */
  refused(error: GroupError): void {
    const { clock, logger, noCapacityMs } = this.#context
    const before = this.#availability
    this.#availability = afterRefusal(before, namedError(error, this.name), clock.now(), noCapacityMs)
    if (this.#availability !== before)
      logger.warn({ group: this.name, err: error }, 'group accepts no launches for now')
  }

  /** A removal there failed. For good: whoever cannot remove must not make more. */
  failed(error: GroupError): void {
    const isOneInstances = error.code === 'not_found' && error.instanceId !== undefined
    if (tripsBreaker(error.code) && !isOneInstances) this.refused(error)
  }

  async shutdown(): Promise<void> {
    this.#closing.abort(new GroupError('transient', 'the group is shutting down'))
    this.#stopInterruptions()
    await this.#group?.shutdown()
  }

  /** What the rows tell about launches: which failed after they were accepted, and which came to run. */
  #learn(rows: readonly ListedInstance[]): void {
    const before = new Map(this.#rows.map(({ id, state }) => [id, state]))
    const fresh = rows.filter(({ id, state }) => before.get(id) !== state)
    for (const { state, error } of fresh)
      if (state === 'failed' && error !== undefined) this.refused(asGroupError(error))
    const running = fresh.filter(({ state }) => state === 'running').length
    this.#availability = afterProof(this.#availability, running, this.#context.clock.now())
  }

  #unread(error: GroupError): GroupError {
    const { clock, random, logger } = this.#context
    const failures = (this.#failure?.failures ?? 0) + 1
    const named = namedError(error, this.name)
    this.#failure = {
      failures,
      until: clock.now() + backoffMs(callBackoffCurve, failures, random, error.retryAfterMs),
      error: named,
    }
    logger.error({ group: this.name, err: error, failures }, 'group cannot be read')
    return named
  }

  async #limited<T>(operation: string, signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#context
    const late = (): GroupError => new GroupError('transient', `${operation} did not answer within ${callTimeoutMs} ms`)
    using limit = deadline(clock, callTimeoutMs, late, signal)
    return await untilAbort(run(limit.signal), limit.signal)
  }
}
