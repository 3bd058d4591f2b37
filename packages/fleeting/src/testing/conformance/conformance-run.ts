import { type Clock, delay, systemClock, systemRandom } from '../../clock.ts'
import type { Connection } from '../../connection.ts'
import { deadline } from '../../deadline.ts'
import type { ConnectInfo, GroupInfo, InstanceGroup, ListedInstance } from '../../instance-group.ts'
import { parseList } from '../../provisioner/parse-list.ts'
import { untilAbort } from '../../provisioner/until-abort.ts'
import { createSshConnector } from '../../ssh/ssh-connector.ts'
import type { CloudHand } from './cloud-hand.ts'
import { alive, type ConformanceCase, type ConformanceContext, ensure, NotApplicable, shown } from './conformance-case.ts'

export interface ConformanceOptions {
  /** How many instances the run may have at once, ≥ 1. With 3 or more every case runs. Default 3. */
  readonly maxInstances?: number
  /** A hand on the cloud behind the group, or how to get it once the group is made. With it the suite also injects faults, plays other people, and counts calls. Default: those cases are skipped. */
  readonly cloud?: CloudHand | (() => CloudHand | Promise<CloudHand>)
  /** How machines are reached by their connect info. Default: by SSH. */
  readonly connect?: (info: ConnectInfo, signal: AbortSignal) => Promise<Connection>
  /** How long a change of state may take, milliseconds: the boot of a machine, for instance. Default 300,000. */
  readonly patienceMs?: number
  /** Pause between two reads of `list`, milliseconds. Default 100; more for a cloud that counts calls. */
  readonly pollMs?: number
  /** Whether a machine lives on when its instance is removed, as hosts do that were only lent: then its open connections need not end. Default false. */
  readonly machinesOutliveInstances?: boolean
  /** Ends the run early: the case under way fails, what was made is removed, and the other cases are skipped. */
  readonly signal?: AbortSignal
  /** The clock that the group's credentials expire by. Default: the machine's own. The suite itself lives in real time. */
  readonly clock?: Clock
}

/** Makes a group under test. */
export type MakeGroup = () => InstanceGroup | Promise<InstanceGroup>

/** What is proved when all cases are over. */
const lastCase = 'nothing is left, and the group shuts down'

/** How one case went. */
export type ConformanceOutcome = {
  readonly name: string
  /** How long it took, milliseconds. */
  readonly durationMs: number
  /** What was seen on the way: calls counted, for example. */
  readonly notes: readonly string[]
} & (
  | { readonly outcome: 'passed' }
  | { readonly outcome: 'skipped'; readonly reason: string }
  | { readonly outcome: 'failed'; readonly error: Error }
)

const never = new AbortController().signal

type Settings = Required<Omit<ConformanceOptions, 'cloud'>>

/**
 * A group under test, from `init` to `shutdown`. Whatever was there before is left alone, and must be there in the end; whatever appears meanwhile counts as the run's own and is removed. So give it a group of its own.
 */
export class ConformanceRun {
  readonly info: GroupInfo
  readonly #group: InstanceGroup
  readonly #makeGroup: MakeGroup
  readonly #cloud: CloudHand | undefined
  readonly #settings: Settings
  /** What was there before. */
  readonly #others: ReadonlySet<string>

  /** `makeGroup` is called again by cases that need a second group; all that it makes must be groups of one cloud. Thrown: what `makeGroup`, `init` and `list` throw. */
  static async start(makeGroup: MakeGroup, options: ConformanceOptions = {}): Promise<ConformanceRun> {
    const connector = createSshConnector({ connector: {} })
    const connect: ConformanceOptions['connect'] = (info, signal) => connector.connect(info, signal)
    const { cloud, ...given } = options
    const settings = {
      maxInstances: 3,
      patienceMs: 300_000,
      pollMs: 100,
      machinesOutliveInstances: false,
      clock: systemClock,
      connect,
      signal: never,
      ...given,
    }
    using limit = deadline(
      systemClock,
      settings.patienceMs,
      () => new Error(`init and list took more than ${settings.patienceMs} ms`),
      settings.signal,
    )
    const group = await makeGroup()
    const info = await untilAbort(group.init(limit.signal), limit.signal)
    const hand = typeof cloud === 'function' ? await cloud() : cloud
    const rows = parseList(await untilAbort(group.list(limit.signal), limit.signal))
    return new ConformanceRun(group, makeGroup, info, hand, settings, new Set(alive(rows)))
  }

  private constructor(
    group: InstanceGroup,
    makeGroup: MakeGroup,
    info: GroupInfo,
    cloud: CloudHand | undefined,
    settings: Settings,
    others: ReadonlySet<string>,
  ) {
    this.info = info
    this.#group = group
    this.#makeGroup = makeGroup
    this.#cloud = cloud
    this.#settings = settings
    this.#others = others
  }

  /** How many instances it may have at once. */
  get maxInstances(): number {
    return this.#settings.maxInstances
  }

  /** How often each operation of the cloud's API was called so far; undefined when nobody counts. */
  get calls(): Readonly<Record<string, number>> | undefined {
    const calls = this.#cloud?.calls?.()
    if (calls === undefined) return undefined
    const counts: Record<string, number> = {}
    for (const { operation } of calls) counts[operation] = (counts[operation] ?? 0) + 1
    return counts
  }

  /** Why a case cannot be run here; undefined when it can. */
  skipReason({ needs = {} }: ConformanceCase): string | undefined {
    const { instances = 0, capability, wholeGroup, cloud: parts, fault } = needs
    const { maxInstances, signal } = this.#settings
    if (signal.aborted) return 'the run was stopped'
    if (instances > maxInstances) return `needs ${instances} instances, and may have ${maxInstances}`
    if (capability !== undefined && this.info.capabilities?.includes(capability) !== true) return `the group has no ${capability}`
    if (wholeGroup && this.info.maxSize > maxInstances)
      return `the group can have ${this.info.maxSize} instances, and the run ${maxInstances}`
    if (wholeGroup && this.#others.size > 0) return 'the group has instances that are not ours'
    if (parts !== undefined && this.#cloud === undefined) return 'needs a hand on the cloud'
    const missing = parts?.filter((part) => this.#cloud?.[part] === undefined) ?? []
    if (missing.length > 0) return `the hand on the cloud has no ${missing.join(' and no ')}`
    if (fault !== undefined && this.#cloud?.unable?.has(fault)) return `the cloud cannot be made to answer ${fault}`
    return undefined
  }

  /** Runs one case, unless it does not apply, and removes what it leaves behind, also when it fails. */
  async run(conformanceCase: ConformanceCase): Promise<ConformanceOutcome> {
    const reason = this.skipReason(conformanceCase)
    if (reason !== undefined) return { name: conformanceCase.name, durationMs: 0, notes: [], outcome: 'skipped', reason }
    return this.#outcome(conformanceCase.name, async (notes) => {
      const { patienceMs, signal } = this.#settings
      using limit = deadline(systemClock, 5 * patienceMs, () => new Error(`took more than ${5 * patienceMs} ms`), signal)
      const context = this.#context(limit.signal, notes)
      await afterwards(untilAbort(conformanceCase.run(context), limit.signal), () => this.#cleanUp())
      const rows = await context.list()
      const missing = [...this.#others].filter((id) => !rows.some((row) => row.id === id))
      ensure(missing.length === 0, `${missing.join(', ')} was there before, and is gone`)
    })
  }

  /** Ends the group, and proves that it left nothing: a case of its own. */
  finish(): Promise<ConformanceOutcome> {
    return this.#outcome(lastCase, () => {
      const { patienceMs } = this.#settings
      using limit = deadline(systemClock, patienceMs, () => new Error(`shutdown took more than ${patienceMs} ms`))
      return afterwards(this.#cleanUp(), async () => {
        await untilAbort(this.#group.shutdown(), limit.signal)
        await untilAbort(this.#group.shutdown(), limit.signal)
      })
    })
  }

  async #outcome(name: string, act: (notes: string[]) => Promise<void>): Promise<ConformanceOutcome> {
    const startedAt = systemClock.now()
    const notes: string[] = []
    const base = () => ({ name, durationMs: systemClock.now() - startedAt, notes })
    try {
      await act(notes)
      return { ...base(), outcome: 'passed' }
    } catch (thrown) {
      if (thrown instanceof NotApplicable) return { ...base(), outcome: 'skipped', reason: thrown.message }
      return { ...base(), outcome: 'failed', error: thrown instanceof Error ? thrown : new Error(String(thrown)) }
    }
  }

  /** Removes what the run has made, with a patience of its own. */
  async #cleanUp(): Promise<void> {
    this.#cloud?.heal?.()
    const { patienceMs } = this.#settings
    using limit = deadline(systemClock, 2 * patienceMs, () => new Error(`what the case left was not gone after ${2 * patienceMs} ms`))
    const context = this.#context(limit.signal, [])
    const ours = (await context.settle()).map(({ id }) => id).filter((id) => !this.#others.has(id))
    if (ours.length > 0) await context.remove(ours)
  }

  #context(signal: AbortSignal, notes: string[]): ConformanceContext {
    const { maxInstances, machinesOutliveInstances, patienceMs, pollMs, clock, connect } = this.#settings
    const group = this.#group
    const cloud = this.#cloud
    const context: ConformanceContext = {
      group,
      cloud: cloud as Required<CloudHand>,
      info: this.info,
      maxInstances,
      machinesOutliveInstances,
      signal,
      clock,
      async pass(ms) {
        const passTime = cloud?.passTime?.bind(cloud)
        if (passTime === undefined && ms > patienceMs) return false
        await (passTime === undefined ? context.pause(ms) : passTime(ms))
        return true
      },
      makeGroup: async () => this.#makeGroup(),
      skip(reason) {
        throw new NotApplicable(reason)
      },
      note: (text) => void notes.push(text),
      pause: (ms) => delay(systemClock, ms, signal),
      newToken: () => `conformance${Math.floor(systemRandom() * 2 ** 52).toString(36)}`,
      async list() {
        const rows = parseList(await group.list(signal))
        ensure(new Set(rows.map(({ id }) => id)).size === rows.length, `list shows an id twice: ${shown(rows)}`)
        return rows
      },
      async until(what, found) {
        const endAt = systemClock.now() + patienceMs
        for (;;) {
          const rows = await context.list()
          const answer = found(rows)
          if (answer !== undefined && answer !== false) return answer
          ensure(systemClock.now() < endAt, `waited ${patienceMs} ms for ${what}; list shows ${shown(rows)}`)
          await context.pause(pollMs)
        }
      },
      async settle() {
        let rows: readonly ListedInstance[] = []
        for (let reads = 0; reads < 3; reads += 1) {
          await context.pause(pollMs)
          rows = await context.list()
        }
        return rows
      },
      async increase(count, launchToken = context.newToken()) {
        const result = await group.increase({ count, launchToken }, signal)
        const errors = (result.errors ?? []).map(({ message }) => message).join('; ')
        ensure(result.requested === count, `${count} were asked for, ${result.requested} accepted: ${errors || 'no error was told'}`)
        return result
      },
      async launch(count) {
        const before = new Set((await context.list()).map(({ id }) => id))
        const { ids } = await context.increase(count)
        return context.until(`${count} new instances to run`, (rows) => {
          const fresh = rows.filter((row) => (ids === undefined ? !before.has(row.id) : ids.includes(row.id)))
          const failed = fresh.find(({ state }) => state === 'failed')
          ensure(failed === undefined, `${failed?.id} failed: ${failed?.detail ?? 'the group does not say why'}`)
          return fresh.length === count && fresh.every(({ state }) => state === 'running') && fresh.map(({ id }) => id)
        })
      },
      async remove(ids) {
        const { accepted, errors = [] } = await group.decrease(ids, signal)
        const refused = ids.filter((id) => !accepted.includes(id))
        ensure(
          refused.length === 0,
          `${refused.join(', ')} was not accepted: ${errors.map(({ message }) => message).join('; ') || 'no error was told'}`,
        )
        await context.until(`${ids.join(', ')} to be gone`, (rows) => !rows.some((row) => ids.includes(row.id) && row.state !== 'deleted'))
      },
      async connect(id) {
        return group.connect?.(id, signal) ?? connect(await group.connectInfo(id, signal), signal)
      },
    }
    return context
  }
}

/** Does `last` whether or not `first` succeeds. Of two errors the first one tells what is wrong. */
async function afterwards(first: Promise<void>, last: () => Promise<void>): Promise<void> {
  const error = await first.then(
    () => undefined,
    (thrown: unknown) => ({ thrown }),
  )
  try {
    await last()
  } catch (thrown) {
    throw error?.thrown ?? thrown
  }
  if (error !== undefined) throw error.thrown
}
