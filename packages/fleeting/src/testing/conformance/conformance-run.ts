import { systemClock } from '../../contract/clock.ts'
import { type Deadline, deadline } from '../../contract/deadline.ts'
import type { GroupInfo, InstanceGroup } from '../../contract/instance-group.ts'
import { untilAbort } from '../../contract/until-abort.ts'
import { parseList } from '../../provisioner/instances/parse-list.ts'
import type { CloudControls } from './cloud-controls.ts'
import { alive, type ConformanceCase, type ConformanceContext, ensure, NotApplicable } from './conformance-case.ts'
import { conformanceContext } from './conformance-context.ts'
import {
  type ConformanceOptions,
  type ConformanceSettings,
  conformanceSettings,
  type MakeGroup,
} from './conformance-options.ts'
import { LongWaits } from './long-waits.ts'

/** What is proved when all cases are over. */
const lastCase = 'nothing is left, and the group shuts down'

/** A call has a second to end after its abort. */
const graceMs = 2000

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

/**
 * A group under test, from `init` to `shutdown`. Whatever was there before is left alone, and must be there in the end;
 * whatever appears meanwhile counts as the run's own and is removed. So give it a group of its own.
 */
export class ConformanceRun {
  readonly info: GroupInfo
  readonly #group: InstanceGroup
  readonly #makeGroup: MakeGroup
  readonly #cloud: CloudControls | undefined
  readonly #settings: ConformanceSettings
  /** Ids of instances that were there before. */
  readonly others: ReadonlySet<string>
  #hasBegun = false

  /**
   * `makeGroup` is called again by cases that need a second group; all that it makes must be groups of one cloud.
   * Thrown: what `makeGroup`, `init` and `list` throw.
   */
  static async start(makeGroup: MakeGroup, options: ConformanceOptions = {}): Promise<ConformanceRun> {
    const { cloud } = options
    const settings = conformanceSettings(options)
    const { patienceMs } = settings
    using limit = deadline(
      systemClock,
      patienceMs,
      () => new Error(`init and list took more than ${patienceMs} ms`),
      settings.signal,
    )
    const group = await makeGroup()
    try {
      const info = await untilAbort(group.init(limit.signal), limit.signal)
      const controls = typeof cloud === 'function' ? await cloud() : cloud
      const rows = parseList(await untilAbort(group.list(limit.signal), limit.signal))
      return new ConformanceRun(group, makeGroup, info, controls, settings, new Set(alive(rows)))
    } catch (error) {
      await group.shutdown().catch(() => {})
      throw error
    }
  }

  private constructor(
    group: InstanceGroup,
    makeGroup: MakeGroup,
    info: GroupInfo,
    cloud: CloudControls | undefined,
    settings: ConformanceSettings,
    others: ReadonlySet<string>,
  ) {
    this.info = info
    this.#group = group
    this.#makeGroup = makeGroup
    this.#cloud = cloud
    this.#settings = settings
    this.others = others
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
    const { instances = 0, capability, tells, wholeGroup, cloud: parts, fault } = needs
    const { maxInstances, signal } = this.#settings
    if (signal.aborted) return 'the run was stopped'
    if (instances > maxInstances) return `needs ${instances} instances, but may have only ${maxInstances}`
    if (capability !== undefined && this.info.capabilities?.includes(capability) !== true)
      return `the group has no ${capability}`
    if (tells !== undefined && this.info.untold?.includes(tells))
      return `the group's protocol cannot report ${tells.replace('_', ' ')}`
    if (wholeGroup && this.info.maxSize > maxInstances)
      return `the group can have ${this.info.maxSize} instances, but the run only ${maxInstances}`
    if (wholeGroup && this.others.size > 0) return 'the group has instances that are not ours'
    if (parts !== undefined && this.#cloud === undefined) return 'needs control of the cloud'
    const missing = parts?.filter((part) => this.#cloud?.[part] === undefined) ?? []
    if (missing.length > 0) return `the control of the cloud lacks ${missing.join(' and ')}`
    if (fault !== undefined && this.#cloud?.unable?.has(fault)) return `the cloud cannot be made to fail with ${fault}`
    return undefined
  }

  /** Runs one case, unless it does not apply, and removes what it leaves behind, also when it fails. */
  async run(conformanceCase: ConformanceCase): Promise<ConformanceOutcome> {
    const reason = this.skipReason(conformanceCase)
    if (reason !== undefined)
      return { name: conformanceCase.name, durationMs: 0, notes: [], outcome: 'skipped', reason }
    this.#hasBegun = true
    return this.#outcome(conformanceCase.name, async (notes) => {
      const { patienceMs, signal } = this.#settings
      using limit = deadline(
        systemClock,
        5 * patienceMs,
        () => new Error(`took more than ${5 * patienceMs} ms`),
        signal,
      )
      // What a case still waits for when it is over would hold the process up, and look like the plugin's.
      using over = abortAtEnd(limit.signal)
      const context = this.#context(conformanceCase.name, over.signal, notes)
      const running = conformanceCase.run(context)
      await afterwards(untilAbort(running, limit.signal), async () => {
        // What is under way when a case is stopped may still make a machine.
        using grace = deadline(systemClock, graceMs, () => new Error('the case continued'))
        await untilAbort(running, grace.signal).catch(() => {})
        await this.#cleanUp(conformanceCase.name)
      })
      const rows = await untilAbort(context.list(), limit.signal)
      const missing = [...this.others].filter((id) => !rows.some((row) => row.id === id))
      ensure(missing.length === 0, `${missing.join(', ')} existed before and is gone`)
    })
  }

  /** Ends the group, and proves that it left nothing: a case of its own. */
  finish(): Promise<ConformanceOutcome> {
    return this.#outcome(lastCase, () => {
      const { patienceMs } = this.#settings
      using limit = deadline(systemClock, patienceMs, () => new Error(`shutdown took more than ${patienceMs} ms`))
      return afterwards(this.#hasBegun ? this.#cleanUp(lastCase) : Promise.resolve(), async () => {
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
  async #cleanUp(name: string): Promise<void> {
    this.#cloud?.heal?.()
    const { patienceMs } = this.#settings
    using limit = deadline(
      systemClock,
      2 * patienceMs,
      () => new Error(`what the case left behind was not removed after ${2 * patienceMs} ms`),
    )
    using over = abortAtEnd(limit.signal)
    const context = this.#context(name, over.signal, [])
    const rows = await untilAbort(context.settle(), limit.signal)
    const ours = rows.map(({ id }) => id).filter((id) => !this.others.has(id))
    if (ours.length > 0) await untilAbort(context.remove(ours), limit.signal)
  }

  #context(name: string, signal: AbortSignal, notes: string[]): ConformanceContext {
    const { patienceMs, onWait } = this.#settings
    return conformanceContext({
      waits: new LongWaits({ name, patienceMs, onWait, signal }),
      group: this.#group,
      makeGroup: this.#makeGroup,
      info: this.info,
      cloud: this.#cloud,
      settings: this.#settings,
      signal,
      notes,
    })
  }
}

/** A signal that aborts with `parent`, or when it is disposed of. */
function abortAtEnd(parent: AbortSignal): Deadline {
  const controller = new AbortController()
  const onParent = (): void => controller.abort(parent.reason)
  if (parent.aborted) onParent()
  parent.addEventListener('abort', onParent, { once: true })
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      parent.removeEventListener('abort', onParent)
      controller.abort(new Error('the case is over'))
    },
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
