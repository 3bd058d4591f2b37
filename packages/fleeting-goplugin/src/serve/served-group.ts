import { randomUUID } from 'node:crypto'
import {
  asGroupError,
  type Clock,
  type CreateInstanceGroup,
  type DecreaseResult,
  deadline,
  delay,
  describeError,
  GroupError,
  type InstanceGroup,
  isGroupError,
  type Logger,
  type Random,
} from '@runner-core/fleeting'
import { checkGroup, initGroup } from '@runner-core/fleeting/plugins'
import { wireConnectInfo } from '../wire/connect-info.ts'
import { connectorConfigOfWire, wireConnectorConfig } from '../wire/connector-config.ts'
import type {
  ConnectInfoResponse,
  InitRequest,
  InitResponse,
  UpdateResponse,
  WireConnectorConfig,
} from '../wire/messages.ts'
import { type ToldInstances, tellInstances } from './told-instances.ts'

export interface ServedGroupOptions {
  readonly create: CreateInstanceGroup
  /** The plugin's, told to the host. */
  readonly version: string
  readonly buildInfo: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Makes a launch token. Default: a random one. */
  readonly newLaunchToken?: () => string
}

/** No bound of the group's own, as a number that hosts of 32 bits hold too. */
const unbounded = 2 ** 31 - 1
const defaultFleet = 'gitlab-runner'
/** Between two questions for a machine that is not ready yet. */
const notReadyPauseMs = 2000
const nanosPerMs = 1_000_000

/** An `increase` that is under way, or that nobody knows the outcome of. */
interface LostLaunch {
  readonly count: number
  readonly launchToken: string
  /** When it was asked for, or lost. */
  readonly at: number
}

/** A host asks again within seconds; one that does not wants no more, and has to see what there is. */
const lostForMs = 30_000

/**
 * One of our groups by the methods of the wire, for a host that knows upstream's plugins. Thrown by all of them: what
 * the group throws.
 */
export class ServedGroup {
  readonly #options: ServedGroupOptions
  #group: InstanceGroup | undefined
  #isStarting = false
  #connector: WireConnectorConfig = wireConnectorConfig({})
  #told: ToldInstances = new Map()
  #lost: LostLaunch | undefined
  #discarding: Promise<void> | undefined

  constructor(options: ServedGroupOptions) {
    this.#options = options
  }

  async init({ config, settings }: InitRequest, signal: AbortSignal): Promise<InitResponse> {
    if (this.#group !== undefined || this.#isStarting) throw new GroupError('conflict', 'Init has already been called')
    this.#isStarting = true
    try {
      return await this.#start(parseConfig(config), settings?.connectorConfig ?? this.#connector, signal)
    } finally {
      this.#isStarting = false
    }
  }

  async update(signal: AbortSignal): Promise<readonly UpdateResponse[]> {
    const listed = await this.#ready.list(signal)
    // Machines of a launch that is to be asked for again are not told of before the host has counted it, or it would
    // count them as somebody else's.
    const lost = this.#lostLaunch()?.launchToken
    const shown = listed.filter(
      ({ id, launchToken }) => lost === undefined || launchToken !== lost || this.#told.has(id),
    )
    const { rows, told, discarded } = tellInstances(shown, this.#told)
    for (const { id, detail } of shown.filter((row) => row.state === 'unknown')) {
      this.#options.logger.warn({ instance: id, detail }, 'the instance is in an unknown state')
    }
    this.#told = told
    if (discarded.length > 0) this.#discarding ??= this.#discard(discarded)
    return rows
  }

  /**
   * The host has no launch tokens: what it asks for again after an error is asked for under the token of the first
   * time.
   */
  async increase(n: number, signal: AbortSignal): Promise<number> {
    if (n <= 0) return 0
    const lost = this.#lostLaunch()
    if (lost === undefined) return await this.#launch(n, this.#newLaunchToken(), signal)
    const found = await this.#launch(lost.count, lost.launchToken, signal)
    if (found < lost.count || found >= n) return Math.min(found, n)
    try {
      return found + (await this.#launch(n - found, this.#newLaunchToken(), signal))
    } catch (error) {
      // An error would lose the count of the first.
      this.#logRefusal('launch', error)
      return found
    }
  }

  decrease(ids: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    return this.#accepted('removal', ids, (group) => group.decrease(ids, signal))
  }

  /** Waits for a machine that is not ready yet, as long as a dial may take: hosts ask once. */
  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfoResponse> {
    const { clock } = this.#options
    const group = this.#ready
    const limitMs = (this.#connector.timeout || wireConnectorConfig({}).timeout) / nanosPerMs
    let notReady: GroupError | undefined
    using limit = deadline(
      clock,
      limitMs,
      () => notReady ?? new GroupError('not_ready', `${id} did not answer in time`),
      signal,
    )
    for (;;) {
      try {
        const info = wireConnectInfo(await group.connectInfo(id, limit.signal), this.#connector)
        this.#options.logger.debug({ instance: id }, 'the host was told how to connect')
        return info
      } catch (error) {
        if (!isGroupError(error) || error.code !== 'not_ready' || limit.signal.aborted) throw error
        notReady = error
        await delay(clock, error.retryAfterMs ?? notReadyPauseMs, limit.signal)
      }
    }
  }

  async heartbeat(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#ready.heartbeat?.(id, signal)
    } catch (error) {
      if (!isGroupError(error) || error.code !== 'not_found') throw error
      // Upstream's words for it, which is all that crosses the wire.
      throw new GroupError('not_found', `instance is unhealthy: ${error.message}`, { instanceId: id, cause: error })
    }
  }

  /** Undefined: the group cannot. */
  changePower(
    method: 'suspend' | 'resume',
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<DecreaseResult> | undefined {
    return this.#ready[method]?.(ids, signal)
  }

  /** Works again and again, and before `init`. */
  async shutdown(): Promise<void> {
    const group = this.#group
    this.#group = undefined
    await this.#discarding
    await group?.shutdown()
  }

  async #start(config: object, connector: WireConnectorConfig, signal: AbortSignal): Promise<InitResponse> {
    const { create, version, buildInfo, clock, random, logger } = this.#options
    const { fleet, ...pluginConfig } = config as { readonly fleet?: unknown }
    if (fleet !== undefined && (typeof fleet !== 'string' || fleet === '')) {
      throw new GroupError('invalid_config', `plugin_config.fleet: expected a name, got ${JSON.stringify(fleet)}`)
    }
    const context = { fleet: fleet ?? defaultFleet, connector: connectorConfigOfWire(connector), logger, clock, random }
    const group = create(pluginConfig, context)
    checkGroup(group)
    if (group.connect !== undefined) {
      throw new GroupError(
        'invalid_config',
        'this group connects to its instances in its own way; hosts of this protocol need SSH',
      )
    }
    try {
      const info = await initGroup(group, signal)
      const { findings = [], capabilities = [] } = info
      for (const { code, severity, message, fix } of findings)
        logger[severity === 'warning' ? 'warn' : severity]({ code, fix }, message)
      this.#group = group
      this.#connector = connector
      const canSuspend =
        capabilities.includes('suspend_resume') && group.suspend !== undefined && group.resume !== undefined
      logger.info({ group: info.id, fleet: context.fleet }, 'instance group is ready')
      return {
        id: info.id,
        maxSize: Math.min(info.maxSize, unbounded),
        version,
        buildInfo,
        capabilities: canSuspend ? ['suspend_resume'] : [],
      }
    } catch (error) {
      await group.shutdown().catch(() => {})
      throw error
    }
  }

  get #ready(): InstanceGroup {
    if (this.#group === undefined) throw new GroupError('conflict', 'the plugin is not initialized')
    return this.#group
  }

  #lostLaunch(): LostLaunch | undefined {
    if (this.#lost !== undefined && this.#options.clock.now() - this.#lost.at >= lostForMs) this.#lost = undefined
    return this.#lost
  }

  async #launch(count: number, launchToken: string, signal: AbortSignal): Promise<number> {
    const group = this.#ready
    // Until it is known: a machine may be listed before its launch has answered, and the answer may be lost.
    this.#lost = { count, launchToken, at: this.#options.clock.now() }
    try {
      const { requested, errors = [] } = await group.increase({ count, launchToken }, signal)
      this.#lost = undefined
      const [first] = errors
      if (requested === 0 && first !== undefined) throw first
      for (const error of errors) this.#logRefusal('launch', error)
      return requested
    } catch (error) {
      const isLost = asGroupError(error).code === 'transient' || signal.aborted
      this.#lost = isLost ? { count, launchToken, at: this.#options.clock.now() } : undefined
      throw error
    }
  }

  /** A host that gets an error loses the ids beside it, and asks for all again: only when nothing came of it. */
  async #accepted(
    what: string,
    ids: readonly string[],
    change: (group: InstanceGroup) => Promise<DecreaseResult>,
  ): Promise<readonly string[]> {
    if (ids.length === 0) return []
    const { accepted, errors = [] } = await change(this.#ready)
    const [first] = errors
    if (accepted.length === 0 && first !== undefined) throw first
    for (const error of errors) this.#logRefusal(what, error)
    return accepted
  }

  async #discard(ids: readonly string[]): Promise<void> {
    const { logger } = this.#options
    try {
      logger.info({ instances: ids }, 'failed instances are removed, since the host drops them')
      await this.#accepted('removal', ids, (group) => group.decrease(ids, new AbortController().signal))
    } catch (error) {
      this.#logRefusal('removal', error)
    } finally {
      this.#discarding = undefined
    }
  }

  #newLaunchToken(): string {
    return (this.#options.newLaunchToken ?? randomUUID)()
  }

  #logRefusal(what: string, error: unknown): void {
    const { code, instanceId } = asGroupError(error)
    this.#options.logger.error(
      { code, ...(instanceId !== undefined && { instance: instanceId }), error: describeError(error) },
      `the ${what} was refused in part`,
    )
  }
}

/** Thrown: `invalid_config`. */
function parseConfig(bytes: Uint8Array): object {
  const text = Buffer.from(bytes).toString('utf8')
  try {
    const config: unknown = JSON.parse(text || '{}')
    // What Go makes of a table that is not there.
    if (config === null) return {}
    if (typeof config === 'object' && !Array.isArray(config)) return config
  } catch (cause) {
    throw new GroupError('invalid_config', `unmarshaling config: ${(cause as Error).message}`, { cause })
  }
  throw new GroupError('invalid_config', 'plugin_config: expected a table')
}
