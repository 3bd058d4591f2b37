import {
  type DecreaseResult,
  GroupError,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type InstanceState,
  isGroupError,
  type ListedInstance,
} from '@runner-core/fleeting'
import { MemoryGroup, type MemoryGroupOptions } from '@runner-core/fleeting/testing'

/**
 * How a list may be wrong: nothing or half of it is there, it is what was true a while ago, its rows come in another
 * order or twice.
 */
export type ListLie = 'empty' | 'half' | 'stale' | 'reordered' | 'repeated'

/** How old a stale list is. */
const staleMs = 8_000

export type MemberOperation = 'list' | 'increase' | 'decrease'

/** What a member refuses, and until when, `Clock.now()`. */
export interface MemberFault {
  readonly error: GroupError
  readonly operations: readonly MemberOperation[]
  readonly until: number
}

/** Names the launch that a request is about: of one that is shared out over members, each member's part. */
export function launchOf({ launchToken, placement }: IncreaseRequest): string {
  return placement === undefined ? launchToken : `${placement}/${launchToken}`
}

/** The member that an instance belongs to, where there are members. */
function memberOf(id = ''): string | undefined {
  return id.includes('/') ? id.slice(0, id.indexOf('/')) : undefined
}

export interface WorldCloudOptions extends MemoryGroupOptions {
  readonly members?: readonly string[] | undefined
  readonly hosts?: number | undefined
}

/**
 * A memory group that also launches more than it was asked for, leaves machines out of its lists, and throttles; and
 * that remembers what it did to whom.
 */
export class WorldCloud extends MemoryGroup {
  /** The next launch brings so many machines more than asked. */
  surplus = 0
  readonly #bringingMore = new Set<{ readonly request: IncreaseRequest; readonly before: ReadonlySet<string> }>()
  /** Machines that the next so many lists leave out. */
  readonly hidden: Map<string, number> = new Map()
  /** Until then every call is refused as throttled. */
  throttledUntil: number = Number.NEGATIVE_INFINITY
  /** Lists are empty, and no machine can be asked for by its id. */
  isDark = false
  /** Machines that nobody here asked for: what there may be above a maximum without anybody's fault. */
  readonly unaccountable: Set<string> = new Set()
  /** What the next so many lists are like. */
  readonly #lies: { readonly lie: ListLie; left: number }[] = []
  /** What lists have shown, of which member, and when. */
  readonly #shown: { readonly at: number; readonly member: string; readonly rows: readonly ListedInstance[] }[] = []
  /** By member, what its last list told. */
  readonly #lastTold = new Map<string, readonly ListedInstance[]>()
  /** By machine, the launch that made it. */
  readonly launches: Map<string, string> = new Map()
  /** Told what each list showed. */
  onListed: (ids: readonly string[], deleting: readonly string[]) => void = () => {}
  /** Told how a launch was decided: how many machines it brings or may bring, and what was refused. */
  onDecided: (token: string, accepted: number, error: unknown) => void = () => {}
  /** By machine, the state that the cloud says in place of the true one, and whether it ran until then. */
  readonly #told = new Map<string, { readonly state: InstanceState; readonly ran: boolean }>()
  readonly #now: () => number
  /** Names of the groups that it consists of; empty: it is one. */
  readonly members: readonly string[]
  readonly #memberFaults = new Map<string, MemberFault>()

  /**
   * With `members` it consists of groups, each asked through {@link member}; ids begin with the name of their group.
   * With `hosts` it has so many machines from the start.
   */
  constructor({ members, hosts = 0, ...options }: WorldCloudOptions) {
    super({
      ...options,
      ...(members !== undefined && {
        nameMachine: (number, placement) => `${placement ?? members[number % members.length]}/m-${number}`,
      }),
    })
    this.members = members ?? []
    for (let host = 0; host < hosts; host += 1) super.addForeign()
    const { describe } = this
    if (describe !== undefined)
      this.describe = async (ids, signal) => {
        if (this.isDark) throw new GroupError('transient', 'the cloud is dark')
        return await describe(ids, signal)
      }
    this.#now = () => options.clock.now()
  }

  /** One of the groups that it consists of. */
  member(name: string): InstanceGroup {
    const { connect, describe, heartbeat, onInterruption, owners, claim } = this
    return {
      init: (signal) => this.init(signal),
      list: (signal) => this.#list(signal, name),
      increase: (request, signal) => this.increase({ ...request, placement: name }, signal),
      decrease: (ids, signal) => this.decrease(ids, signal),
      connectInfo: (id, signal) => this.connectInfo(id, signal),
      ...(connect !== undefined && { connect }),
      ...(describe !== undefined && { describe }),
      ...(heartbeat !== undefined && { heartbeat }),
      ...(onInterruption !== undefined && { onInterruption }),
      ...(owners !== undefined && { owners }),
      ...(claim !== undefined && { claim }),
      shutdown: async () => {},
    }
  }

  failMember(name: string, fault: MemberFault): void {
    this.#memberFaults.set(name, fault)
  }

  override list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    return this.#list(signal)
  }

  async #list(signal: AbortSignal, member = ''): Promise<readonly ListedInstance[]> {
    this.#refuse('list', member)
    const rows = (await super.list(signal)).filter(({ id }) => member === '' || id.startsWith(`${member}/`))
    const shown = rows.filter(({ id }) => {
      const left = this.hidden.get(id) ?? 0
      if (left > 1) this.hidden.set(id, left - 1)
      else this.hidden.delete(id)
      return left === 0
    })
    const told = this.#lie(member, shown)
    this.#lastTold.set(member, told)
    const all = [...this.#lastTold.values()].flat()
    const deleting = all.filter(({ state }) => state === 'deleting')
    this.onListed(
      all.map(({ id }) => id),
      deleting.map(({ id }) => id),
    )
    return told
  }

  /** The next `times` lists are so. */
  lie(lie: ListLie, times: number): void {
    this.#lies.push({ lie, left: times })
  }

  #lie(member: string, rows: readonly ListedInstance[]): readonly ListedInstance[] {
    const now = this.#now()
    this.#shown.push({ at: now, member, rows })
    if (this.isDark) return []
    const first = this.#lies[0]
    if (first === undefined) return rows
    first.left -= 1
    if (first.left <= 0) this.#lies.shift()
    switch (first.lie) {
      case 'empty':
        return []
      case 'half':
        return rows.filter((_, index) => index % 2 === 0)
      case 'reordered':
        return rows.toReversed()
      case 'repeated':
        return [...rows, ...rows.slice(0, 2)]
      case 'stale':
        return this.#shown.findLast((shown) => shown.member === member && shown.at <= now - staleMs)?.rows ?? []
    }
  }

  override async increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const before = new Set(this.ids)
    const bringing = { request, before }
    try {
      this.#refuse('increase', request.placement)
      const { surplus } = this
      this.surplus = 0
      if (surplus > 0) this.#bringingMore.add(bringing)
      const result = await super.increase({ ...request, count: request.count + surplus }, signal)
      this.#made(request, before)
      this.onDecided(launchOf(request), result.requested, result.errors?.[0])
      return result
    } catch (error) {
      this.#made(request, before)
      const isRefusal = isGroupError(error) && error.code !== 'transient'
      this.onDecided(launchOf(request), isRefusal ? 0 : request.count, error)
      throw error
    } finally {
      this.#bringingMore.delete(bringing)
    }
  }

  /** Tells whose the machines are of launches that bring more than asked and have not been answered yet. */
  account(): void {
    for (const { request, before } of this.#bringingMore) this.#made(request, before)
  }

  #made(request: IncreaseRequest, before: ReadonlySet<string>): void {
    const { count, placement } = request
    const isOfMember = (id: string): boolean => placement === undefined || id.startsWith(`${placement}/`)
    const made = this.ids.filter((id) => !before.has(id) && !this.unaccountable.has(id) && isOfMember(id))
    for (const id of made) this.launches.set(id, launchOf(request))
    // Nobody can say which of them were asked for.
    if (made.length > count) for (const id of made) this.unaccountable.add(id)
  }

  override async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    this.#refuse('decrease', memberOf(ids[0]))
    return await super.decrease(ids, signal)
  }

  override addForeign(...state: Parameters<MemoryGroup['addForeign']>): string {
    const id = super.addForeign(...state)
    this.unaccountable.add(id)
    return id
  }

  /** The cloud says so from now on; the machine goes on as it is. */
  override setState(...[id, state, detail]: Parameters<MemoryGroup['setState']>): void {
    this.#told.set(id, { state, ran: this.lives(id) })
    super.setState(id, state, ...(detail === undefined ? [] : [detail]))
  }

  /** Whether its processes run, whatever the cloud says. */
  lives(id: string): boolean {
    const state = this.stateOf(id)
    const told = this.#told.get(id)
    return told !== undefined && told.state === state ? told.ran : state === 'running'
  }

  override resize(by: number): void {
    const before = new Set(this.ids)
    super.resize(by)
    for (const id of this.ids) if (!before.has(id)) this.unaccountable.add(id)
  }

  /** The next `times` lists leave the machine out. */
  hide(id: string, times: number): void {
    this.hidden.set(id, times)
  }

  override heal(): void {
    super.heal()
    this.surplus = 0
    this.isDark = false
    this.hidden.clear()
    this.#memberFaults.clear()
    this.#lies.length = 0
    this.throttledUntil = Number.NEGATIVE_INFINITY
  }

  /** Thrown: what the cloud refuses now, or one of its members. */
  #refuse(operation: MemberOperation, member: string | undefined): void {
    const waitMs = this.throttledUntil - this.#now()
    if (waitMs > 0) throw new GroupError('throttled', 'too many requests', { retryAfterMs: Math.min(waitMs, 5000) })
    const fault = member === undefined ? undefined : this.#memberFaults.get(member)
    if (fault?.operations.includes(operation) && this.#now() < fault.until) throw fault.error
  }
}
