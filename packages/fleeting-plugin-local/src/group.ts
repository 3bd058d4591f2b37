import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import {
  type ConnectInfo,
  type CreateInstanceGroup,
  type DecreaseResult,
  fleetKeyPair,
  GroupError,
  type GroupInfo,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type KeyPair,
  type ListedInstance,
  type PluginContext,
} from '@runner-core/fleeting'
import { type LocalConfig, parseConfig } from './config.ts'
import { checkRootDirectory, claimGroupDirectory, type GroupDirectory } from './directories.ts'
import { InstanceProcess } from './instance-process.ts'
import { removeLeftovers } from './leftovers.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** Instances are SSH server processes on this machine, which end with this process. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) => new LocalGroup(parseConfig(config), context)

class LocalGroup implements InstanceGroup {
  readonly #config: LocalConfig
  readonly #context: PluginContext
  readonly #instances = new Map<string, InstanceProcess>()
  #keyPair: KeyPair | undefined
  #directory: Promise<GroupDirectory> | undefined

  constructor(config: LocalConfig, context: PluginContext) {
    this.#config = config
    this.#context = context
  }

  /** Makes nothing and ends nothing, as whoever only plans expects. */
  async init(signal: AbortSignal): Promise<GroupInfo> {
    this.#keyPair = await fleetKeyPair(this.#context.connector)
    signal.throwIfAborted()
    const { rootDir, maxSize } = this.#config
    await checkRootDirectory(rootDir).catch(refuseRootDir(rootDir))
    return { id: `local/${this.#context.fleet}`, maxSize, version }
  }

  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    signal.throwIfAborted()
    return [...this.#instances.values()].map((instance) => instance.listed())
  }

  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    signal.throwIfAborted()
    const { path } = await this.#claimedDirectory()
    signal.throwIfAborted()
    const known = [...this.#instances.values()].filter((instance) => instance.launchToken === launchToken)
    if (known.length > 0) return { requested: known.length, ids: known.map(({ id }) => id) }
    const { maxSize } = this.#config
    const requested = Math.min(count, maxSize - this.#instances.size)
    const ids = Array.from({ length: requested }, () => this.#launch(launchToken, path))
    if (requested === count) return { requested, ids }
    return {
      requested,
      ids,
      errors: [new GroupError('quota', `plugin_config.max_size: ${count} more would be more than ${maxSize} instances`)],
    }
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    signal.throwIfAborted()
    for (const id of ids) this.#instances.get(id)?.end()
    return { accepted: ids }
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    signal.throwIfAborted()
    const instance = this.#instances.get(id)
    if (instance === undefined) throw new GroupError('not_found', `there is no local instance ${id}`, { instanceId: id })
    if (instance.ready === undefined) {
      throw new GroupError('not_ready', `local instance ${id} is ${instance.listed().state}`, { instanceId: id })
    }
    const { port, hostKey } = instance.ready
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

  /** Ends what is left: nobody could reach or end it later, since without a durable state an instance does not outlive this process. */
  async shutdown(): Promise<void> {
    const left = [...this.#instances.values()]
    for (const instance of left) instance.end()
    await Promise.all(left.map((instance) => instance.gone))
    await (await this.#directory)?.release()
  }

  /** The group's directory, made when it is first needed: then what dead groups left goes, too. A failure is tried again. */
  #claimedDirectory(): Promise<GroupDirectory> {
    const { rootDir } = this.#config
    this.#directory ??= removeLeftovers(rootDir, this.#context)
      .then(() => claimGroupDirectory(rootDir))
      .catch((cause: unknown) => {
        this.#directory = undefined
        return refuseRootDir(rootDir)(cause)
      })
    return this.#directory
  }

  #launch(launchToken: string, groupDirectory: string): string {
    const { clock, logger } = this.#context
    const { shell, bootDelayMs } = this.#config
    // Not from the context's chance, which may repeat: processes are found, and ended, by this id.
    const instanceId = `local-${randomBytes(6).toString('hex')}`
    const server = {
      instanceId,
      directory: join(groupDirectory, instanceId),
      shell,
      authorizedKey: this.#keyPair!.publicKey,
      username: userName(),
    }
    const instance = new InstanceProcess({ server, launchToken, bootDelayMs, clock, logger })
    this.#instances.set(instanceId, instance)
    void instance.gone.then(() => this.#instances.delete(instanceId))
    return instanceId
  }
}

function refuseRootDir(rootDir: string): (cause: unknown) => never {
  return (cause) => {
    const message = `plugin_config.root_dir: expected a directory to write to, got ${rootDir} (${String(cause)})`
    throw new GroupError('invalid_config', message, { cause })
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
