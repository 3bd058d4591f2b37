import type { Clock } from '../../clock.ts'
import { delay, systemClock, systemRandom } from '../../clock.ts'
import type { Connection } from '../../connection.ts'
import { deadline } from '../../deadline.ts'
import type { ConnectInfo, GroupInfo, InstanceGroup, ListedInstance } from '../../instance-group.ts'
import { parseList } from '../../provisioner/parse-list.ts'
import { untilAbort } from '../../provisioner/until-abort.ts'
import { createSshConnector } from '../../ssh/ssh-connector.ts'
import { alive, type ConformanceCase, type ConformanceContext, ensure, shown } from './conformance-case.ts'

export interface ConformanceOptions {
  /** How many instances the run may have at once, ≥ 1. With 3 or more every case runs. Default 3. */
  readonly maxInstances?: number
  /** How machines are reached by their connect info. Default: by SSH. */
  readonly connect?: (info: ConnectInfo, signal: AbortSignal) => Promise<Connection>
  /** How long a change of state may take, milliseconds: the boot of a machine, for instance. Default 300,000. */
  readonly patienceMs?: number
  /** Pause between two reads of `list`, milliseconds. Default 100; more for a cloud that counts calls. */
  readonly pollMs?: number
  /** Whether a machine lives on when its instance is removed, as hosts do that were only lent: then its open connections need not end. Default false. */
  readonly machinesOutliveInstances?: boolean
  /** Default: the machine's own clock. Groups that live in real time need a real one. */
  readonly clock?: Clock
}

export type ConformanceOutcome =
  | { readonly name: string; readonly outcome: 'passed' }
  | { readonly name: string; readonly outcome: 'skipped'; readonly reason: string }
  | { readonly name: string; readonly outcome: 'failed'; readonly error: Error }

/**
 * A group under test, from `init` to `shutdown`. Whatever was there before is left alone, and must be there in the end; whatever appears meanwhile counts as the run's own and is removed. So give it a group of its own.
 */
export class ConformanceRun {
  readonly #group: InstanceGroup
  readonly #info: GroupInfo
  readonly #options: Required<ConformanceOptions>
  /** What was there before. */
  readonly #others: ReadonlySet<string>

  /** Thrown: what `init` and `list` throw. */
  static async start(group: InstanceGroup, options: ConformanceOptions = {}): Promise<ConformanceRun> {
    const clock = options.clock ?? systemClock
    const connector = createSshConnector({ connector: {}, clock, random: systemRandom })
    const connect: ConformanceOptions['connect'] = (info, signal) => connector.connect(info, signal)
    const full = { maxInstances: 3, patienceMs: 300_000, pollMs: 100, machinesOutliveInstances: false, clock, connect, ...options }
    using limit = deadline(clock, full.patienceMs, () => new Error(`init and list took more than ${full.patienceMs} ms`))
    const info = await untilAbort(group.init(limit.signal), limit.signal)
    const rows = parseList(await untilAbort(group.list(limit.signal), limit.signal))
    return new ConformanceRun(group, info, full, new Set(alive(rows)))
  }

  private constructor(group: InstanceGroup, info: GroupInfo, options: Required<ConformanceOptions>, others: ReadonlySet<string>) {
    this.#group = group
    this.#info = info
    this.#options = options
    this.#others = others
  }

  /** Why a case cannot be run here; undefined when it can. */
  skipReason({ needs = {} }: ConformanceCase): string | undefined {
    const { instances = 0, capability, wholeGroup } = needs
    const { maxInstances } = this.#options
    if (instances > maxInstances) return `needs ${instances} instances, and may have ${maxInstances}`
    if (capability !== undefined && this.#info.capabilities?.includes(capability) !== true) return `the group has no ${capability}`
    if (wholeGroup && this.#info.maxSize > maxInstances)
      return `the group can have ${this.#info.maxSize} instances, and the run ${maxInstances}`
    if (wholeGroup && this.#others.size > 0) return 'the group has instances that are not ours'
    return undefined
  }

  /** Runs one case, and removes what it leaves behind, also when it fails. Thrown: what the case throws. */
  async run(conformanceCase: ConformanceCase): Promise<void> {
    const { clock, patienceMs } = this.#options
    using limit = deadline(clock, 5 * patienceMs, () => new Error(`took more than ${5 * patienceMs} ms`))
    const context = this.#context(limit.signal)
    try {
      await untilAbort(conformanceCase.run(context), limit.signal)
    } finally {
      await this.#cleanUp()
    }
    const rows = await context.list()
    const missing = [...this.#others].filter((id) => !rows.some((row) => row.id === id))
    ensure(missing.length === 0, `${missing.join(', ')} was there before, and is gone`)
  }

  /** Ends the group, and proves that it left nothing. Thrown: when something of the run is still there, or `shutdown` fails. */
  async finish(): Promise<void> {
    const { clock, patienceMs } = this.#options
    using limit = deadline(clock, patienceMs, () => new Error(`shutdown took more than ${patienceMs} ms`))
    try {
      await this.#cleanUp()
    } finally {
      await untilAbort(this.#group.shutdown(), limit.signal)
      await untilAbort(this.#group.shutdown(), limit.signal)
    }
  }

  /** Removes what the run has made, with a patience of its own. */
  async #cleanUp(): Promise<void> {
    const { clock, patienceMs } = this.#options
    using limit = deadline(clock, 2 * patienceMs, () => new Error(`what the case left was not gone after ${2 * patienceMs} ms`))
    const context = this.#context(limit.signal)
    const ours = (await context.settle()).map(({ id }) => id).filter((id) => !this.#others.has(id))
    if (ours.length > 0) await context.remove(ours)
  }

  #context(signal: AbortSignal): ConformanceContext {
    const { maxInstances, machinesOutliveInstances, patienceMs, pollMs, clock, connect } = this.#options
    const group = this.#group
    const context: ConformanceContext = {
      group,
      info: this.#info,
      maxInstances,
      machinesOutliveInstances,
      signal,
      pause: (ms) => delay(clock, ms, signal),
      newToken: () => `conformance${Math.floor(systemRandom() * 2 ** 52).toString(36)}`,
      async list() {
        const rows = parseList(await group.list(signal))
        ensure(new Set(rows.map(({ id }) => id)).size === rows.length, `list shows an id twice: ${shown(rows)}`)
        return rows
      },
      async until(what, found) {
        const endAt = clock.now() + patienceMs
        for (;;) {
          const rows = await context.list()
          const answer = found(rows)
          if (answer !== undefined && answer !== false) return answer
          ensure(clock.now() < endAt, `waited ${patienceMs} ms for ${what}; list shows ${shown(rows)}`)
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
