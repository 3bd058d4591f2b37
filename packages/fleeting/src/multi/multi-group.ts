import { createRequire } from 'node:module'
import type { Clock, Random } from '../contract/clock.ts'
import type { Connection } from '../contract/connection.ts'
import type { Connector } from '../contract/connector.ts'
import { asGroupError, ConnectionError, GroupError, isConnectionError } from '../contract/errors.ts'
import type { GroupOwner } from '../contract/group-owner.ts'
import type {
  Capability,
  ConnectInfo,
  DecreaseResult,
  Finding,
  GroupInfo,
  IncreaseRequest,
  IncreaseResult,
  InstanceGroup,
  ListedInstance,
} from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import { parseList } from '../provisioner/instances/parse-list.ts'
import { combineRefusals, type Preference } from './choose-members.ts'
import { containedError } from './contained-error.ts'
import { fleetId, isMemberName, memberNameRule, ownerName, ownId } from './fleet-id.ts'
import { fleetRows } from './fleet-rows.ts'
import { GroupMember, type MultiMember } from './group-member.ts'
import type { GroupOfParts } from './group-of-parts.ts'
import { LaunchJournal } from './launch-journal.ts'
import { MemberOwnership } from './member-ownership.ts'
import { MultiLauncher } from './multi-launcher.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

export interface MultiGroupOptions {
  /** Identity of the whole, for example `multi/my-fleet`. */
  readonly id: string
  /** At least one, with names of their own. */
  readonly members: readonly MultiMember[]
  /**
   * `order`: as the members are given. `price`: the cheapest first, those without a price last. `weight`: sizes follow
   * the weights. Default `order`.
   */
  readonly prefer?: Preference | 'price'
  /**
   * How long nothing is launched in a member that had no capacity, milliseconds; doubles while it goes on, to an hour.
   * Default 300,000.
   */
  readonly noCapacityMs?: number
  /**
   * How long what a member has accepted may take to appear, milliseconds: as long as the provisioner's launch time-out.
   *
   * @defaultValue 600,000
   */
  readonly launchTimeoutMs?: number
  /** Reaches the machines of members that have no `connect` of their own, where another member has one. */
  readonly connector?: Connector
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * Several groups as one: zones, machine types, spot and on demand, clouds. Launches go to the members in order of
 * preference, and what one refuses is asked of the next within the same call. Its placements are the members' names;
 * `increase` with one of them begins there, since whoever asks for it holds back those before.
 * docs/decisions/multi-group.md says why things are as they are.
 */
export class MultiGroup implements GroupOfParts {
  connect?: (id: string, signal: AbortSignal) => Promise<Connection>
  describe?: (ids: readonly string[], signal: AbortSignal) => Promise<readonly ListedInstance[]>
  heartbeat?: (id: string, signal: AbortSignal) => Promise<void>
  suspend?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>
  resume?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>
  giveBack?: (signal: AbortSignal) => Promise<number>
  owners?: (signal: AbortSignal, ids?: readonly string[]) => Promise<readonly GroupOwner[]>
  claim?: (owner: GroupOwner | undefined, signal: AbortSignal) => Promise<void>
  onInterruption?: (listener: (id: string, atWallTime: number | undefined) => void) => () => void

  readonly #options: MultiGroupOptions
  readonly #journal: LaunchJournal
  readonly #launcher: MultiLauncher
  readonly #ownership: MemberOwnership
  /** By name, the preferred first. */
  readonly #members: ReadonlyMap<string, GroupMember>
  readonly #listeners = new Set<(id: string, atWallTime: number | undefined) => void>()
  /** Instances that were reached by the connector. */
  readonly #reached = new Set<string>()
  /** By member, when the readings began that the last list was made of. */
  #readAt: ReadonlyMap<string, (own: string) => number> = new Map()
  #shutdown: Promise<void> | undefined

  /** Thrown: `invalid_config` for no member, and for names that are not unique or not usable. */
  constructor(options: MultiGroupOptions) {
    const { noCapacityMs = 300_000, launchTimeoutMs = 600_000, clock, random, logger } = options
    this.#journal = new LaunchJournal(launchTimeoutMs)
    const names = options.members.map(({ name }) => name)
    if (names.length === 0) throw new GroupError('invalid_config', 'groups: expected at least one, got none')
    const bad = names.filter((name, index) => !isMemberName(name) || names.indexOf(name) !== index)
    if (bad.length > 0)
      throw new GroupError(
        'invalid_config',
        `groups: expected unique names of ${memberNameRule}, got ${bad.join(', ')}`,
      )
    const ordered = options.prefer === 'price' ? options.members.toSorted(byPrice) : options.members
    const interrupted = (id: string, atWallTime: number | undefined): void => {
      for (const listener of this.#listeners) listener(id, atWallTime)
    }
    const join = (group: InstanceGroup, signal: AbortSignal): Promise<void> => this.#ownership.join(group, signal)
    const context = { journal: this.#journal, noCapacityMs, join, interrupted, clock, random, logger }
    this.#members = new Map(ordered.map((member) => [member.name, new GroupMember(member, context)]))
    this.#launcher = new MultiLauncher([...this.#members.values()], {
      journal: this.#journal,
      preference: options.prefer === 'weight' ? 'weight' : 'order',
      clock,
    })
    this.#options = options
    this.#ownership = new MemberOwnership(() => [...this.#members.values()], logger)
  }

  /**
   * A member whose `init` fails is left out, with a finding, and tried again with each `list`; its machines are shown
   * from then on. Thrown: `invalid_config` of any member; when every one fails, what they agree on.
   */
  async init(signal: AbortSignal): Promise<GroupInfo> {
    const members = [...this.#members.values()]
    const groups = await Promise.all(members.map((member) => member.create()))
    const outcomes = await Promise.allSettled(members.map((member) => member.init(signal)))
    signal.throwIfAborted()
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asGroupError(outcome.reason)] : [],
    )
    const mistakes = failures.filter(({ code }) => code === 'invalid_config')
    if (mistakes.length > 0) throw combineRefusals(mistakes)
    if (failures.length === members.length) throw combineRefusals(failures)
    this.#offer(groups)
    const capabilities = this.#capabilities()
    const capacities = members.flatMap(({ name, capacityPerInstance }) =>
      capacityPerInstance === undefined ? [] : [[name, capacityPerInstance]],
    )
    return {
      id: this.#options.id,
      maxSize: members.reduce((sum, { limit }) => sum + limit, 0),
      version,
      placements: [...this.#members.keys()],
      ...(capacities.length > 0 && { capacities: Object.fromEntries(capacities) }),
      listLagMs: Math.max(...members.map(({ listLagMs }) => listLagMs)),
      findings: members.flatMap(findingsOf),
      ...(capabilities.length > 0 && { capabilities }),
    }
  }

  /** Thrown: only when no member can be read. */
  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const members = [...this.#members.values()]
    const must = members.every(({ unreadable }) => unreadable !== undefined)
    const readAt = new Map<string, (own: string) => number>()
    const rows = await Promise.all(
      members.map(async (member) => {
        const own = await member.rows(signal, must)
        readAt.set(member.name, member.readAt)
        return fleetRows(member.name, own)
      }),
    )
    this.#readAt = readAt
    const failures = members.flatMap(({ unreadable }) => unreadable ?? [])
    if (failures.length === members.length) throw combineRefusals(failures)
    const all = rows.flat()
    this.#forgetAllBut(all)
    return all
  }

  /** A member that is slow, or cannot be read, is listed as it was before: that is no new reading of it. */
  readAt(id: string): number | undefined {
    const name = ownerName(id)
    return this.#readAt.get(name)?.(ownId(name, id))
  }

  increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    return this.#launcher.increase(request, signal)
  }

  decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    return this.#split(ids, signal, async (member, own) => {
      const result = await member.call('decrease', signal, (group, limit) => group.decrease(own, limit))
      this.#journal.removed(member.name, result.accepted)
      return result
    })
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    const info = await this.#delegate(id, signal, async (member, own) => {
      const told = await member.call('connectInfo', signal, (group, limit) => group.connectInfo(own, limit))
      // Of a group of groups, what is set nearest to the machine counts.
      return member.connector === undefined ? told : { ...told, connector: { ...member.connector, ...told.connector } }
    })
    return { ...info, instanceId: id }
  }

  /** Why each member cannot be reached, by name; undefined while any of them can. */
  trouble(): string | undefined {
    const troubles = [...this.#members.values()].map(({ trouble }) => trouble)
    return troubles.includes(undefined) ? undefined : troubles.join('; ')
  }

  /** Why members cannot be reached or read, by name; undefined while all of them can. */
  partTrouble(): string | undefined {
    const troubles = [...this.#members.values()].flatMap(({ partTrouble }) => partTrouble ?? [])
    return troubles.length === 0 ? undefined : troubles.join('; ')
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#end()
    return this.#shutdown
  }

  /** Optional methods, as far as members have them. */
  #offer(groups: readonly InstanceGroup[]): void {
    const any = (method: 'connect' | 'describe' | 'heartbeat' | 'giveBack' | 'onInterruption'): boolean =>
      groups.some((group) => group[method] !== undefined)
    if (any('connect')) this.connect = (id, signal) => this.#connect(id, signal)
    if (any('describe')) this.describe = (ids, signal) => this.#describe(ids, signal)
    if (any('heartbeat'))
      this.heartbeat = (id, signal) =>
        this.#delegate(id, signal, (member, own) =>
          member.call('heartbeat', signal, async (group, limit) => {
            if (group.heartbeat === undefined) throw new GroupError('transient', 'this group has no heartbeat')
            await group.heartbeat(own, limit)
          }),
        )
    if (groups.some((group) => group.owners !== undefined && group.claim !== undefined)) {
      this.owners = (signal, ids) => this.#ownership.owners(signal, ids)
      this.claim = (owner, signal) => this.#ownership.claim(owner, signal)
    }
    if (any('giveBack')) this.giveBack = (signal) => this.#giveBack(signal)
    if (any('onInterruption'))
      this.onInterruption = (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      }
    if (groups.every((group) => group.suspend !== undefined && group.resume !== undefined)) {
      for (const method of ['suspend', 'resume'] as const)
        this[method] = (ids, signal) =>
          this.#split(ids, signal, (member, own) =>
            member.call(
              method,
              signal,
              (group, limit) => group[method]?.(own, limit) ?? Promise.resolve({ accepted: [] }),
            ),
          )
    }
  }

  #capabilities(): readonly Capability[] {
    const methods = {
      suspend_resume: this.suspend,
      heartbeat: this.heartbeat,
      interruption_notice: this.onInterruption,
    } as const
    return (Object.keys(methods) as (keyof typeof methods)[]).filter((capability) => methods[capability] !== undefined)
  }

  /** Each member is asked for its own; nothing is told of those whose member cannot tell. */
  async #describe(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const nobodys = ids.filter((id) => this.#ownerOf(id) === undefined)
    const rows = await Promise.all(
      [...this.#members.values()].map(async (member) => {
        const { name } = member
        const own = ids.filter((id) => ownerName(id) === name).map((id) => ownId(name, id))
        if (own.length === 0) return []
        try {
          const answer = await member.call(
            'describe',
            signal,
            async (group, limit) => group.describe?.(own, limit) ?? [],
          )
          return fleetRows(name, parseList(answer, 'describe'))
        } catch (error) {
          signal.throwIfAborted()
          this.#options.logger.warn({ group: name, err: asGroupError(error) }, 'instances could not be looked up by id')
          return []
        }
      }),
    )
    return [...nobodys.map((id): ListedInstance => ({ id, state: 'deleted' })), ...rows.flat()]
  }

  /** Each member gets its own ids; those of nobody are accepted, as gone. */
  async #split(
    ids: readonly string[],
    signal: AbortSignal,
    act: (member: GroupMember, own: readonly string[]) => Promise<DecreaseResult>,
  ): Promise<DecreaseResult> {
    const accepted: string[] = []
    const errors: GroupError[] = []
    const byOwner = new Map<GroupMember, string[]>()
    for (const id of ids) {
      const owner = this.#ownerOf(id)
      if (owner === undefined) accepted.push(id)
      else byOwner.set(owner, [...(byOwner.get(owner) ?? []), id])
    }
    await Promise.all(
      [...byOwner].map(async ([member, theirs]) => {
        const { name } = member
        const fleet = (own: string): string => fleetId(name, own)
        try {
          const own = theirs.map((id) => ownId(name, id))
          const result = await act(member, own)
          accepted.push(...result.accepted.map(fleet))
          for (const error of (result.errors ?? []).map(asGroupError)) {
            member.failed(error)
            errors.push(containedError(error, name, error.instanceId && fleet(error.instanceId)))
          }
        } catch (thrown) {
          const error = asGroupError(thrown)
          member.failed(error)
          errors.push(...theirs.map((instanceId) => containedError(error, name, instanceId)))
        }
      }),
    )
    signal.throwIfAborted()
    return { accepted, ...(errors.length > 0 && { errors }) }
  }

  #ownerOf(id: string): GroupMember | undefined {
    return this.#members.get(ownerName(id))
  }

  async #delegate<T>(
    id: string,
    signal: AbortSignal,
    run: (member: GroupMember, own: string) => Promise<T>,
  ): Promise<T> {
    const member = this.#ownerOf(id)
    if (member === undefined) throw new GroupError('not_found', `no group has the instance ${id}`, { instanceId: id })
    try {
      return await run(member, ownId(member.name, id))
    } catch (thrown) {
      signal.throwIfAborted()
      if (isConnectionError(thrown)) throw thrown
      const { code, message } = asGroupError(thrown)
      // Asked about one instance, a group that does not find it means this one.
      if (code === 'not_found')
        throw new GroupError(code, `${member.name}: ${message}`, { instanceId: id, cause: thrown })
      throw containedError(asGroupError(thrown), member.name, id)
    }
  }

  #connect(id: string, signal: AbortSignal): Promise<Connection> {
    return this.#delegate(id, signal, async ({ group }, own) => {
      if (group.connect !== undefined) return await group.connect(own, signal)
      const { connector } = this.#options
      if (connector === undefined)
        throw new ConnectionError('invalid_config', `${id} is reached by a connector, and none was given`)
      const info = await this.connectInfo(id, signal)
      this.#reached.add(id)
      return await connector.connect(info, signal)
    })
  }

  /** One that fails does not keep the others from it; of one that never started nothing was asked. */
  async #giveBack(signal: AbortSignal): Promise<number> {
    const members = [...this.#members.values()].filter(({ info }) => info !== undefined)
    const outcomes = await Promise.allSettled(
      members.map((member) => member.call('giveBack', signal, async (group, limit) => group.giveBack?.(limit) ?? 0)),
    )
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asGroupError(outcome.reason)] : [],
    )
    if (failures.length > 0) throw combineRefusals(failures)
    return outcomes.reduce((sum, outcome) => sum + (outcome.status === 'fulfilled' ? outcome.value : 0), 0)
  }

  #forgetAllBut(rows: readonly ListedInstance[]): void {
    if (this.#reached.size === 0) return
    const present = new Set(rows.map(({ id }) => id))
    for (const id of this.#reached) {
      if (present.has(id)) continue
      this.#reached.delete(id)
      this.#options.connector?.forget?.(id)
    }
  }

  async #end(): Promise<void> {
    this.#listeners.clear()
    const outcomes = await Promise.allSettled([...this.#members.values()].map((member) => member.shutdown()))
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asGroupError(outcome.reason)] : [],
    )
    if (failures.length > 0) throw combineRefusals(failures)
  }
}

function byPrice(a: MultiMember, b: MultiMember): number {
  const { price: one = Number.MAX_VALUE } = a
  const { price: other = Number.MAX_VALUE } = b
  return one - other
}

function findingsOf({ name, info, unreadable }: GroupMember): readonly Finding[] {
  if (info !== undefined)
    return (info.findings ?? []).map((finding) => ({ ...finding, message: `${name}: ${finding.message}` }))
  return [
    {
      code: 'group_not_started',
      severity: 'error',
      message: `the fleet runs without the group ${name}: ${unreadable?.message ?? 'it was not read'}`,
      fix: 'make it readable: the manager keeps retrying, and the group then joins the fleet',
    },
  ]
}
