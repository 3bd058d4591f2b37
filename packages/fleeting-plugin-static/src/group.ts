import { createRequire } from 'node:module'
import {
  type ConnectInfo,
  type CreateInstanceGroup,
  type DecreaseResult,
  GroupError,
  type GroupInfo,
  type GroupOwner,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type ListedInstance,
  OwnerFile,
  type PluginContext,
} from '@runner-core/fleeting'
import { parseConfig, type StaticHost } from './config.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { LoanFile } from './loan-file.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** Instances are hosts that exist: to launch one is to lend it, to remove it to take it back. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) => {
  const warn = (key: string): void =>
    context.logger.warn({ key }, 'plugin_config key is ignored; connector_config sets it for all hosts')
  return new StaticGroup(parseConfig(config, context.connector, warn).hosts, context)
}

/** A host in use. */
interface Loan {
  readonly id: string
  readonly host: StaticHost
  readonly launchToken: string
}

class StaticGroup implements InstanceGroup {
  /** With durable state only: without it the loans are this process's own. */
  readonly owners?: () => Promise<readonly GroupOwner[]>
  readonly claim?: (owner: GroupOwner | undefined) => Promise<void>
  readonly #hosts: readonly StaticHost[]
  /** The next to be lent first. */
  readonly #free: StaticHost[]
  readonly #context: PluginContext
  /** By instance id. */
  readonly #loans = new Map<string, Loan>()
  #credentials: ReadonlyMap<StaticHost, Credentials> = new Map()
  #loanCount = 0
  /** With durable state: where loans outlive this process. */
  readonly #file: LoanFile | undefined

  constructor(hosts: readonly StaticHost[], context: PluginContext) {
    this.#hosts = hosts
    this.#free = [...hosts]
    this.#context = context
    this.#file = context.stateDir === undefined ? undefined : new LoanFile(context.stateDir)
    if (context.stateDir !== undefined) {
      const file = new OwnerFile(context.stateDir)
      this.owners = () => file.owners()
      this.claim = (owner) => file.claim(owner)
    }
  }

  async init(signal: AbortSignal): Promise<GroupInfo> {
    const { credentials, findings } = await readCredentials(this.#hosts, this.#context.connector)
    signal.throwIfAborted()
    this.#credentials = credentials
    this.#restore()
    return {
      id: `static/${this.#context.fleet}`,
      maxSize: this.#hosts.length,
      version,
      ...(this.#file !== undefined && { capabilities: ['launch_tokens'] as const }),
      findings,
    }
  }

  /** The hosts that are lent. Whether they can be reached is for the provisioner to find out. */
  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    signal.throwIfAborted()
    return [...this.#loans.values()].map(({ id, launchToken }) => ({ id, state: 'running', launchToken }))
  }

  /**
   * Lends free hosts, in the order of the configuration; a host that was given back, perhaps because something is wrong
   * with it, comes last.
   */
  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    signal.throwIfAborted()
    const known = [...this.#loans.values()].filter((loan) => loan.launchToken === launchToken)
    if (known.length > 0) return { requested: known.length, ids: known.map(({ id }) => id) }
    const ids = this.#free.splice(0, count).map((host) => this.#lend(host, launchToken))
    try {
      this.#keep()
    } catch (error) {
      for (const id of ids) this.#takeBack(id)
      throw error
    }
    if (ids.length === count) return { requested: count, ids }
    const error = new GroupError(
      'quota',
      `plugin_config.instances: ${count} more wanted, but ${ids.length} of ${this.#hosts.length} hosts were free`,
    )
    return { requested: ids.length, ids, errors: [error] }
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    signal.throwIfAborted()
    for (const id of ids) this.#takeBack(id)
    this.#keep()
    return { accepted: ids }
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    signal.throwIfAborted()
    const host = this.#loans.get(id)?.host
    if (host === undefined) throw new GroupError('not_found', `no host is in use as ${id}`, { instanceId: id })
    return { instanceId: id, machine: host.name, ...host.target, ...this.#credentials.get(host) }
  }

  async shutdown(): Promise<void> {}

  /** What an earlier process lent. A host that is configured no more has no loan any more. */
  #restore(): void {
    const kept = this.#file?.read()
    for (const { id, host: name, launchToken } of kept?.loans ?? []) {
      const index = this.#free.findIndex((host) => host.name === name)
      const [host] = index < 0 ? [] : this.#free.splice(index, 1)
      if (host !== undefined) this.#loans.set(id, { id, host, launchToken })
    }
    this.#loanCount = kept?.lentSoFar ?? 0
  }

  #keep(): void {
    const loans = [...this.#loans.values()].map(({ id, host, launchToken }) => ({ id, host: host.name, launchToken }))
    this.#file?.write({ loans, lentSoFar: this.#loanCount })
  }

  #takeBack(id: string): void {
    const loan = this.#loans.get(id)
    if (loan === undefined) return
    this.#loans.delete(id)
    this.#free.push(loan.host)
  }

  #lend(host: StaticHost, launchToken: string): string {
    // An id is not used again: another loan of the same host is another instance.
    this.#loanCount += 1
    const id = `${host.name}#${this.#loanCount}`
    this.#loans.set(id, { id, host, launchToken })
    return id
  }
}
