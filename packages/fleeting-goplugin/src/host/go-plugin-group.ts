import {
  asGroupError,
  type Clock,
  type ConnectInfo,
  type ConnectorConfig,
  type DecreaseResult,
  deadline,
  GroupError,
  type GroupInfo,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type ListedInstance,
  type Logger,
  type Random,
  TaskQueue,
} from '@runner-core/fleeting'
import { connectInfoOfWire } from '../wire/connect-info.ts'
import { wireConnectorConfig } from '../wire/connector-config.ts'
import type { InitRequest } from '../wire/messages.ts'
import { rowOfWire } from '../wire/states.ts'
import { isUnimplemented, WireError } from '../wire/wire-error.ts'
import { countAlive, isGone, isLeaving, type KnownInstances, newcomers } from './known-instances.ts'
import type { PluginClient } from './plugin-client.ts'
import type { SessionOptions } from './plugin-session.ts'
import { Supervisor, type SupervisorOptions } from './supervisor.ts'

export interface GoPluginGroupOptions extends Omit<SessionOptions, 'logger' | 'clock'> {
  /** `plugin_config`; the plugin receives it as JSON. */
  readonly config: object
  readonly connector: ConnectorConfig
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Values that plugins without a maximum of their own report, in unsigned and signed 32 bits. */
const unbounded = 2 ** 32 - 1
const maxInt32 = 2 ** 31 - 1

/** An instance group whose calls a Go plugin answers. */
export class GoPluginGroup implements InstanceGroup {
  suspend?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>
  resume?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>

  readonly #options: GoPluginGroupOptions
  readonly #supervisor: Supervisor
  /**
   * Runs calls one after the other, as upstream's host does and plugins expect. Only ConnectInfo and Heartbeat run
   * concurrently with them.
   */
  readonly #turn = new TaskQueue(1)
  #maxSize = Infinity
  /** The last complete list. */
  #known: KnownInstances | undefined
  /** Instances accepted since then, which later lists will show. */
  #launched = 0

  constructor(options: GoPluginGroupOptions) {
    const { config, connector } = options
    const request: InitRequest = {
      config: Buffer.from(JSON.stringify(config)),
      settings: { connectorConfig: wireConnectorConfig(connector) },
    }
    this.#options = options
    this.#supervisor = new Supervisor({ ...options, request, start: startSession })
  }

  async init(signal: AbortSignal): Promise<GroupInfo> {
    const { id, maxSize, version, buildInfo, capabilities } = await this.#supervisor.start(signal)
    this.#maxSize = maxSize === unbounded || maxSize === maxInt32 ? Infinity : maxSize
    const canSuspend = capabilities.includes('suspend_resume')
    if (canSuspend) {
      this.suspend = (ids, limit) => this.#inTurn(limit, (limited) => this.#changePower('Suspend', ids, limited))
      this.resume = (ids, limit) => this.#inTurn(limit, (limited) => this.#changePower('Resume', ids, limited))
    }
    this.#options.logger.info(
      { plugin: this.#options.file, group: id, version, build_info: buildInfo },
      'plugin started',
    )
    return {
      id,
      maxSize: this.#maxSize,
      version: version || 'unknown',
      capabilities: ['heartbeat', ...(canSuspend ? ['suspend_resume' as const] : [])],
      untold: ['findings', 'launch_errors', 'states'],
    }
  }

  trouble(): string | undefined {
    return this.#supervisor.trouble
  }

  list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    return this.#inTurn(signal, async (limit) => [...(await this.#list(limit)).values()])
  }

  increase({ count }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    return this.#inTurn(signal, async (limit) => {
      const before = this.#known ?? (await this.#list(limit))
      const launched = this.#launched
      // A plugin need not enforce its maximum, since upstream's host does. The last list is precise enough except near
      // the maximum.
      const isNearMaximum = before.size + launched + count > this.#maxSize
      const room = isNearMaximum
        ? Math.max(0, this.#maxSize - countAlive((await this.#list(limit)).values()))
        : Infinity
      const wanted = Math.min(count, room)
      const errors =
        wanted < count
          ? [new GroupError('quota', `${count} more wanted, but the group has room for ${wanted} of ${this.#maxSize}`)]
          : []
      if (wanted <= 0) return { requested: 0, errors }
      try {
        const { succeeded } = await this.#client.call('Increase', { n: wanted }, limit)
        this.#launched += succeeded
        return { requested: Math.min(succeeded, wanted), errors }
      } catch (thrown) {
        const error = asGroupError(thrown)
        limit.throwIfAborted()
        // The outcome is unknown: the provisioner lists before it retries.
        if (error.code === 'transient') throw error
        // A refusal does not report what was launched before it: only a list does.
        const fresh = newcomers(await this.#list(limit).catch(() => before), before)
        const requested = Math.min(wanted, fresh.length - launched)
        if (requested <= 0) throw error
        // When some of them were launched before this call, it is unknown which.
        return { requested, ...(launched === 0 && { ids: fresh.slice(0, requested) }), errors: [error, ...errors] }
      }
    })
  }

  decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    return this.#inTurn(signal, async (limit) => {
      if (ids.length === 0) return { accepted: [] }
      const known = this.#known ?? (await this.#list(limit))
      // Plugins stop at the first unknown id, and instances that are being removed need no second call.
      const due = [...new Set(ids)].filter((id) => !isLeaving(known.get(id)?.state))
      if (due.length === 0) return { accepted: ids }
      const kept = await this.#remove(due, limit)
      return { accepted: ids.filter((id) => !kept.has(id)), errors: [...kept.values()] }
    })
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    // The plugin may know instances that it has not listed yet, but not those that it lists as deleted.
    if (this.#known?.get(id)?.state === 'deleted') throw gone(id)
    const answer = await this.#limited(signal, (limit) => this.#client.call('ConnectInfo', { instance: id }, limit))
    return connectInfoOfWire(id, answer, this.#options.connector)
  }

  async heartbeat(id: string, signal: AbortSignal): Promise<void> {
    // Many plugins report every instance as healthy, even one that does not exist.
    if (this.#known !== undefined && isGone(this.#known.get(id)?.state)) throw gone(id)
    try {
      await this.#limited(signal, (limit) => this.#client.call('Heartbeat', { instance: id }, limit))
    } catch (error) {
      // Plugins older than this method count as healthy, as in upstream's host.
      if (!isUnimplemented(error)) throw error
    }
  }

  async shutdown(): Promise<void> {
    await this.#supervisor.close()
  }

  async #list(signal: AbortSignal): Promise<KnownInstances> {
    // Of an id that occurs twice the last row counts, as in upstream's host.
    const rows = new Map<string, ListedInstance>()
    for (const { instance, state } of await this.#client.update(signal)) rows.set(instance, rowOfWire(instance, state))
    this.#launched = 0
    this.#known = rows
    return rows
  }

  /** Requests removals and returns the errors of the instances that stay. Throws when none is removed. */
  async #remove(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, GroupError>> {
    try {
      const { succeeded } = await this.#client.call('Decrease', { instances: ids }, signal)
      const accepted = new Set(succeeded)
      return refusals(
        ids.filter((id) => !accepted.has(id)),
        new GroupError('transient', 'the plugin did not accept the removal'),
      )
    } catch (thrown) {
      const error = asGroupError(thrown)
      signal.throwIfAborted()
      const now = await this.#list(signal).catch(() => undefined)
      if (now === undefined) throw error
      const kept = ids.filter((id) => !isLeaving(now.get(id)?.state))
      if (kept.length === ids.length)
        throw error.code === 'not_found' ? new GroupError('transient', error.message, { cause: error }) : error
      return refusals(kept, error)
    }
  }

  async #changePower(
    method: 'Suspend' | 'Resume',
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<DecreaseResult> {
    try {
      const { succeeded } = await this.#client.call(method, { instances: ids }, signal)
      return splitResult(ids, succeeded, new GroupError('transient', `the plugin did not accept ${method}`))
    } catch (error) {
      if (!(error instanceof WireError) || error.succeeded === undefined) throw error
      return splitResult(ids, error.succeeded, error)
    }
  }

  get #client(): PluginClient {
    return this.#supervisor.session.client
  }

  /** Gives every call a deadline, so that a hanging plugin cannot block the caller. */
  async #limited<T>(signal: AbortSignal, run: (limit: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, callTimeoutMs } = this.#options
    signal.throwIfAborted()
    const tooLate = (): GroupError =>
      new GroupError('transient', `the plugin did not answer within ${callTimeoutMs} ms`)
    using limit = deadline(clock, callTimeoutMs, tooLate, signal)
    return await run(limit.signal)
  }

  #inTurn<T>(signal: AbortSignal, run: (limit: AbortSignal) => Promise<T>): Promise<T> {
    return this.#turn.run(() => this.#limited(signal, run), signal)
  }
}

/** Loads gRPC when the first plugin starts, so that reading a configuration does not load it. */
const startSession: SupervisorOptions['start'] = async (...args) =>
  (await import('./plugin-session.ts')).PluginSession.start(...args)

/** Splits the requested ids into accepted ones and errors. */
function splitResult(ids: readonly string[], succeeded: readonly string[], error: GroupError): DecreaseResult {
  const accepted = new Set(succeeded)
  const refused = ids.filter((id) => !accepted.has(id))
  return { accepted: ids.filter((id) => accepted.has(id)), errors: [...refusals(refused, error).values()] }
}

function gone(id: string): GroupError {
  return new GroupError('not_found', `the plugin no longer lists ${id}`, { instanceId: id })
}

function refusals(ids: readonly string[], error: GroupError): ReadonlyMap<string, GroupError> {
  const { retryAfterMs } = error
  const hint = retryAfterMs === undefined ? {} : { retryAfterMs }
  return new Map(
    ids.map((id) => [id, new GroupError(error.code, error.message, { instanceId: id, cause: error, ...hint })]),
  )
}
