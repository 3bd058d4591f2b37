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
  /** `plugin_config`, as the plugin gets it: JSON. */
  readonly config: object
  readonly connector: ConnectorConfig
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** A plugin that has no bound of its own says this, or more than 32 bits hold. */
const unbounded = 2 ** 32 - 1
const maxInt32 = 2 ** 31 - 1

/** An instance group behind the wire. */
export class GoPluginGroup implements InstanceGroup {
  suspend?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>
  resume?: (ids: readonly string[], signal: AbortSignal) => Promise<DecreaseResult>

  readonly #options: GoPluginGroupOptions
  readonly #supervisor: Supervisor
  /**
   * Upstream's host makes these calls one after the other, and plugins are written for that: only ConnectInfo and
   * Heartbeat come beside them.
   */
  readonly #turn = new TaskQueue(1)
  #maxSize = Infinity
  /** What the last whole list said. */
  #known: KnownInstances | undefined
  /** Accepted since then: it shows them only by and by. */
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
      // A plugin need not heed its own maximum: upstream's host does it for all. What the last list says is too little
      // only near the bound.
      const nearBound = before.size + launched + count > this.#maxSize
      const room = nearBound ? Math.max(0, this.#maxSize - countAlive((await this.#list(limit)).values())) : Infinity
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
        // Nobody knows: the provisioner looks before it asks again.
        if (error.code === 'transient') throw error
        // A refusal says nothing of what was made before it: only a list does.
        const fresh = newcomers(await this.#list(limit).catch(() => before), before)
        const requested = Math.min(wanted, fresh.length - launched)
        if (requested <= 0) throw error
        // Some of them were launched before this call: then nobody can tell which.
        return { requested, ...(launched === 0 && { ids: fresh.slice(0, requested) }), errors: [error, ...errors] }
      }
    })
  }

  decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    return this.#inTurn(signal, async (limit) => {
      if (ids.length === 0) return { accepted: [] }
      const known = this.#known ?? (await this.#list(limit))
      // Plugins stop at the first id that they do not know, and what is leaving need not be told again.
      const due = [...new Set(ids)].filter((id) => !isLeaving(known.get(id)?.state))
      if (due.length === 0) return { accepted: ids }
      const kept = await this.#remove(due, limit)
      return { accepted: ids.filter((id) => !kept.has(id)), errors: [...kept.values()] }
    })
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    // Of what it has not listed the plugin may know more than we do; of what it lists as deleted it only remembers.
    if (this.#known?.get(id)?.state === 'deleted') throw gone(id)
    const answer = await this.#limited(signal, (limit) => this.#client.call('ConnectInfo', { instance: id }, limit))
    return connectInfoOfWire(id, answer, this.#options.connector)
  }

  async heartbeat(id: string, signal: AbortSignal): Promise<void> {
    // Many plugins answer well for whatever they are asked.
    if (this.#known !== undefined && isGone(this.#known.get(id)?.state)) throw gone(id)
    try {
      await this.#limited(signal, (limit) => this.#client.call('Heartbeat', { instance: id }, limit))
    } catch (error) {
      // Older than the method: it cannot tell, and upstream takes that for well.
      if (!isUnimplemented(error)) throw error
    }
  }

  async shutdown(): Promise<void> {
    await this.#supervisor.close()
  }

  async #list(signal: AbortSignal): Promise<KnownInstances> {
    // An id that is told twice counts as it was told last, as upstream has it.
    const rows = new Map<string, ListedInstance>()
    for (const { instance, state } of await this.#client.update(signal)) rows.set(instance, rowOfWire(instance, state))
    this.#launched = 0
    this.#known = rows
    return rows
  }

  /** Asks for removals; answers the errors of those that stay. Thrown: when nothing came of it. */
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
      return shared(ids, succeeded, new GroupError('transient', `the plugin did not accept ${method}`))
    } catch (error) {
      if (!(error instanceof WireError) || error.succeeded === undefined) throw error
      return shared(ids, error.succeeded, error)
    }
  }

  get #client(): PluginClient {
    return this.#supervisor.session.client
  }

  /** Every call has a deadline, so that a plugin that hangs does not hang us: also where nobody above sets one. */
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

/** gRPC is loaded by the first plugin that is started: whoever only reads a configuration does not pay for it. */
const startSession: SupervisorOptions['start'] = async (...args) =>
  (await import('./plugin-session.ts')).PluginSession.start(...args)

/** What was asked for by what came of it. */
function shared(ids: readonly string[], succeeded: readonly string[], error: GroupError): DecreaseResult {
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
