import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import {
  type CancelTimer,
  type ConnectInfo,
  type CreateInstanceGroup,
  type DecreaseResult,
  GroupError,
  type GroupInfo,
  type GroupOwner,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type KeyPair,
  type ListedInstance,
  OwnerFile,
  type PluginContext,
} from '@runner-core/fleeting'
import { fleetKeyPair } from '@runner-core/fleeting/ssh'
import { AdoptedInstance } from './adopted-instance.ts'
import { type LocalConfig, parseConfig } from './config.ts'
import { checkRootDirectory, claimGroupDirectory, type GroupDirectory } from './directories.ts'
import { InstanceProcess } from './instance-process.ts'
import { removeLeftovers } from './leftovers.ts'
import type { LocalInstance } from './local-instance.ts'
import { MachineRecords } from './machine-records.ts'
import type { ServerOptions } from './server/server-options.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** An owner shows itself this many times in the time after which a machine without one ends. */
const signs = 20

/**
 * Instances are SSH server processes on this machine. They end with this process, or, where the fleet's state is
 * durable, outlive it for a while and are found again.
 */
export const createInstanceGroup: CreateInstanceGroup = (config, context) =>
  new LocalGroup(parseConfig(config), context)

class LocalGroup implements InstanceGroup {
  /** With durable state only: without it the instances are this process's own. */
  readonly owners?: () => Promise<readonly GroupOwner[]>
  readonly claim?: (owner: GroupOwner | undefined) => Promise<void>
  readonly #config: LocalConfig
  readonly #context: PluginContext
  /** Where instances are written down, when they are to outlive this process. */
  readonly #records: MachineRecords | undefined
  readonly #rootDir: string
  readonly #instances = new Map<string, LocalInstance>()
  #keyPair: KeyPair | undefined
  #directory: Promise<Pick<GroupDirectory, 'path' | 'release'>> | undefined
  #isOwner = false
  #isClosed = false
  #cancelSign: CancelTimer = () => {}

  constructor(config: LocalConfig, context: PluginContext) {
    this.#config = config
    this.#context = context
    this.#records = context.stateDir === undefined ? undefined : new MachineRecords(context.stateDir)
    this.#rootDir = config.rootDir ?? this.#records?.homes ?? tmpdir()
    if (context.stateDir !== undefined) {
      const file = new OwnerFile(context.stateDir)
      this.owners = () => file.owners()
      this.claim = (owner) => file.claim(owner)
    }
  }

  /** Makes nothing and ends nothing, as whoever only plans expects. */
  async init(signal: AbortSignal): Promise<GroupInfo> {
    this.#keyPair = await fleetKeyPair(this.#context.connector)
    signal.throwIfAborted()
    const { maxSize } = this.#config
    const { stateDir } = this.#context
    if (stateDir !== undefined) await checkRootDirectory(stateDir).catch(refuse('state_dir', stateDir))
    await checkRootDirectory(this.#rootDir).catch(this.#refuseRootDir)
    return {
      id: `local/${this.#context.fleet}`,
      maxSize,
      version,
      ...(this.#records !== undefined && { capabilities: ['launch_tokens'] as const }),
    }
  }

  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    signal.throwIfAborted()
    await this.#findAgain()
    signal.throwIfAborted()
    return [...this.#instances.values()].map((instance) => instance.listed())
  }

  /** Of processes and records, as they are now. */
  async describe(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]> {
    signal.throwIfAborted()
    await this.#findAgain()
    signal.throwIfAborted()
    return ids.map((id): ListedInstance => this.#instances.get(id)?.listed() ?? { id, state: 'deleted' })
  }

  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    signal.throwIfAborted()
    const { path } = await this.#ownDirectory()
    await this.#findAgain()
    signal.throwIfAborted()
    const known = [...this.#instances.values()].filter((instance) => instance.launchToken === launchToken)
    if (known.length > 0) return { requested: known.length, ids: known.map(({ id }) => id) }
    const { maxSize } = this.#config
    const requested = Math.max(0, Math.min(count, maxSize - this.#instances.size))
    const ids = Array.from({ length: requested }, () => this.#launch(launchToken, path))
    if (requested === count) return { requested, ids }
    return {
      requested,
      ids,
      errors: [
        new GroupError('quota', `plugin_config.max_size: ${count} more would be more than ${maxSize} instances`),
      ],
    }
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    signal.throwIfAborted()
    if (ids.some((id) => !this.#instances.has(id))) await this.#findAgain()
    signal.throwIfAborted()
    const doomed = ids.map((id) => this.#instances.get(id)).filter((instance) => instance !== undefined)
    if (this.#records !== undefined && doomed.length > 0) await this.#ownDirectory()
    for (const instance of doomed) instance.end()
    return { accepted: ids }
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    signal.throwIfAborted()
    if (!this.#instances.has(id)) await this.#findAgain()
    const instance = this.#instances.get(id)
    if (instance === undefined)
      throw new GroupError('not_found', `there is no local instance ${id}`, { instanceId: id })
    if (instance.ready === undefined) {
      throw new GroupError('not_ready', `local instance ${id} is ${instance.listed().state}`, { instanceId: id })
    }
    const { port, hostKey } = instance.ready
    // One that an earlier group started lets nobody in but its owner.
    if (this.#records !== undefined) await this.#ownDirectory()
    return {
      instanceId: id,
      protocol: 'ssh',
      internalAddress: `127.0.0.1:${port}`,
      username: this.#context.connector.username ?? userName(),
      privateKey: this.#keyPair!.privateKey,
      hostKeys: [hostKey],
      ...platform(),
    }
  }

  /** Without a durable state ends what is left: nobody could reach or end it later. */
  async shutdown(): Promise<void> {
    this.#isClosed = true
    this.#cancelSign()
    const left = [...this.#instances.values()]
    for (const instance of left) {
      // Whoever only plans leaves what it finds.
      if (this.#records === undefined || (this.#isOwner && instance.listed().state === 'failed')) instance.end()
    }
    const ending = left.filter((instance) => instance.listed().state === 'deleting')
    for (const instance of left) if (!ending.includes(instance)) instance.letGo()
    await Promise.all(ending.map((instance) => instance.gone))
    await (await this.#directory)?.release()
  }

  /**
   * The group's directory, made when it is first needed: then what dead groups left goes, too. A failure is tried
   * again.
   */
  #ownDirectory(): Promise<Pick<GroupDirectory, 'path' | 'release'>> {
    this.#directory ??= removeLeftovers(this.#config.rootDir ?? tmpdir(), this.#context)
      .then(() => (this.#records === undefined ? claimGroupDirectory(this.#rootDir) : this.#own(this.#records)))
      .catch((cause: unknown) => {
        this.#directory = undefined
        return this.#refuseRootDir(cause)
      })
    return this.#directory
  }

  /** From now on machines that outlive their group let us in, and live as long as we do. */
  async #own(records: MachineRecords): Promise<Pick<GroupDirectory, 'path' | 'release'>> {
    await mkdir(this.#rootDir, { recursive: true, mode: 0o700 })
    await records.own(this.#keyPair!.publicKey)
    this.#isOwner = true
    this.#signLater(records)
    return { path: this.#rootDir, release: () => records.removeIfEmpty() }
  }

  #signLater(records: MachineRecords): void {
    if (this.#isClosed) return
    this.#cancelSign = this.#context.clock.after(this.#config.unownedTimeoutMs / signs, () => {
      records
        .showOwner()
        .catch((error: unknown) =>
          this.#context.logger.error({ error }, 'cannot inform local instances of their owner'),
        )
        .finally(() => this.#signLater(records))
    })
  }

  /** Takes up instances that an earlier group started, and notices which of them have ended. */
  async #findAgain(): Promise<void> {
    const records = this.#records
    if (records === undefined) return
    const { clock, logger } = this.#context
    const found = (await records.all()).filter(({ id }) => !this.#instances.has(id))
    const known = [...this.#instances.values()].filter((instance) => instance instanceof AdoptedInstance)
    const adopted = [...known, ...found.map((recorded) => new AdoptedInstance({ recorded, records, clock, logger }))]
    await Promise.all(
      adopted.map(async (instance) => {
        const fate = await instance.look()
        // Whoever only plans leaves what it finds.
        if (fate === 'there' || (fate === 'ended' && this.#isOwner)) this.#keep(instance)
        else this.#instances.delete(instance.id)
        if (fate === 'ended' && this.#isOwner) instance.end()
      }),
    )
  }

  #keep(instance: LocalInstance): void {
    // Another look may have found it at the same time.
    if (this.#instances.has(instance.id)) return
    this.#instances.set(instance.id, instance)
    void instance.gone.then(() => this.#instances.delete(instance.id))
  }

  #launch(launchToken: string, groupDirectory: string): string {
    const { clock, logger } = this.#context
    const { shell, bootDelayMs, unownedTimeoutMs } = this.#config
    // Not from the context's chance, which may repeat: processes are found, and ended, by this id.
    const instanceId = `local-${randomBytes(6).toString('hex')}`
    const server: ServerOptions = {
      instanceId,
      directory: join(groupDirectory, instanceId),
      shell,
      username: userName(),
      access:
        this.#records === undefined
          ? { authorizedKey: this.#keyPair!.publicKey }
          : { files: this.#records.filesOf(instanceId), unownedMs: unownedTimeoutMs },
    }
    this.#keep(new InstanceProcess({ server, launchToken, bootDelayMs, records: this.#records, clock, logger }))
    return instanceId
  }

  readonly #refuseRootDir = (cause: unknown): never => refuse('plugin_config.root_dir', this.#rootDir)(cause)
}

/** What is true of a disk or a process at the moment, and not of how things are configured. */
const passing: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO', 'EAGAIN']

function refuse(key: string, path: string): (cause: unknown) => never {
  return (cause) => {
    const { code } = Object(cause) as { readonly code?: unknown }
    const message = `${key}: expected a directory to write to, got ${path} (${String(cause)})`
    throw new GroupError(passing.includes(code) ? 'transient' : 'invalid_config', message, { cause })
  }
}

/** This machine in Go's words. */
function platform(): Pick<ConnectInfo, 'os' | 'arch'> {
  const arch = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch
  return process.platform === 'linux' || process.platform === 'darwin' ? { os: process.platform, arch } : { arch }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.()) // A user without an entry, as in some containers.
  }
}
