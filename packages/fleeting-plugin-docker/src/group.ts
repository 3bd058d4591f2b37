import { createRequire } from 'node:module'
import {
  asGroupError,
  type ConnectInfo,
  type CreateInstanceGroup,
  type DecreaseResult,
  type Finding,
  GroupError,
  type GroupInfo,
  type GroupOwner,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type KeyPair,
  type ListedInstance,
  type PluginContext,
} from '@runner-core/fleeting'
import { fleetKeyPair, newKeyPair } from '@runner-core/fleeting/ssh'
import type { ContainerInfo } from 'dockerode'
import { settleBounded } from './bounded.ts'
import { type DockerConfig, parseConfig } from './config.ts'
import {
  authorizedKeys,
  containerOptions,
  imageLabel,
  instanceId,
  labels,
  listedInstance,
  sshDirectory,
  sshFiles,
  sshPort,
} from './container.ts'
import { Engine } from './engine.ts'
import { OwnerVolume } from './owner-volume.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }
/** More at once make the daemon slower, not faster. */
const parallelCalls = 4
/** For taking back what failed half-way, since the caller's own signal may have ended. */
const takeBackMs = 10_000

/** Instances are containers with an SSH server, which belong to this fleet by a label. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) =>
  new DockerGroup(parseConfig(config), context, new Engine())

class DockerGroup implements InstanceGroup {
  readonly #config: DockerConfig
  readonly #context: PluginContext
  readonly #engine: Engine
  readonly #owner: OwnerVolume
  #keyPair: KeyPair | undefined
  #architecture: string | undefined
  /** Containers under way that a list may not show yet. */
  #launching = 0
  readonly #takingBack = new Set<Promise<void>>()
  /** Instances that are known to let this process in. */
  readonly #admitted = new Set<string>()

  constructor(config: DockerConfig, context: PluginContext, engine: Engine) {
    this.#config = config
    this.#context = context
    this.#engine = engine
    this.#owner = new OwnerVolume(engine, context.fleet)
  }

  async init(signal: AbortSignal): Promise<GroupInfo> {
    const [image, keyPair] = await Promise.all([
      this.#engine.inspectImage(this.#config.image, signal),
      fleetKeyPair(this.#context.connector, this.#context.fleetKey),
    ])
    this.#keyPair = keyPair
    this.#architecture = image.Architecture
    const findings: Finding[] = []
    if (image.Config.Labels?.[imageLabel] === undefined) findings.push(unknownImage(this.#config.image))
    if (!this.#engine.isLocal) findings.push(remoteDaemon)
    return {
      id: `docker/${this.#context.fleet}`,
      maxSize: this.#config.maxSize,
      version,
      capabilities: ['launch_tokens'],
      findings,
    }
  }

  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const wallTime = this.#context.clock.wallTime()
    return (await this.#containers(signal)).map((container) => listedInstance(container, wallTime))
  }

  async describe(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const wallTime = this.#context.clock.wallTime()
    const results = await settleBounded(ids, parallelCalls, (id) => this.#describe(id, wallTime, signal))
    signal.throwIfAborted()
    // Nothing is told of those that the daemon could not be asked for.
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  }

  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const containers = await this.#containers(signal)
    const known = containers.filter(({ Labels }) => Labels[labels.launchToken] === launchToken)
    if (known.length > 0) return { requested: known.length, ids: known.map(({ Id }) => instanceId(Id)) }

    const { maxSize } = this.#config
    const wanted = Math.max(0, Math.min(count, maxSize - containers.length - this.#launching))
    this.#launching += wanted
    try {
      const results = await settleBounded(
        Array.from({ length: wanted }, (_, index) => index),
        parallelCalls,
        (index) => this.#launch(launchToken, index, signal),
      )
      signal.throwIfAborted()
      const ids = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      const errors = results.flatMap((result) => (result.status === 'rejected' ? [asGroupError(result.reason)] : []))
      if (wanted < count)
        errors.push(
          new GroupError('quota', `plugin_config.max_size: ${count} more would be more than ${maxSize} containers`),
        )
      return { requested: ids.length, ids, errors }
    } finally {
      this.#launching -= wanted
    }
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    if (ids.length === 0) return { accepted: [] }
    // Only what has our label: any other container of this name or id is none of ours.
    const ours = new Set((await this.#containers(signal)).map(({ Id }) => instanceId(Id)))
    const doomed = [...new Set(ids)].filter((id) => ours.has(id))
    const results = await settleBounded(doomed, parallelCalls, (id) => this.#engine.remove(id, signal))
    signal.throwIfAborted()
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [asGroupError(result.reason)] : []))
    const kept = new Set(errors.map((error) => error.instanceId))
    for (const id of doomed) this.#admitted.delete(id)
    return { accepted: ids.filter((id) => !kept.has(id)), errors }
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    const { State, Config, NetworkSettings } = await this.#engine.inspect(id, signal)
    if (Config.Labels[labels.fleet] !== this.#context.fleet || State.Status === 'exited' || State.Status === 'dead') {
      throw new GroupError('not_found', `container ${id} is ${State.Status}, or not of this fleet`, { instanceId: id })
    }
    const port = NetworkSettings.Ports[sshPort]?.[0]?.HostPort
    if (!State.Running || port === undefined)
      throw new GroupError('not_ready', `container ${id} is ${State.Status}`, { instanceId: id })
    await this.#admit(id, signal)
    const hostKey = Config.Labels[labels.hostKey]
    return {
      instanceId: id,
      protocol: 'ssh',
      internalAddress: `127.0.0.1:${port}`,
      username: this.#context.connector.username ?? 'runner',
      privateKey: this.#keyPair!.privateKey,
      hostKeys: hostKey === undefined ? [] : [hostKey],
      os: 'linux',
      ...(this.#architecture !== undefined && { arch: this.#architecture }),
    }
  }

  owners(signal: AbortSignal): Promise<readonly GroupOwner[]> {
    return this.#owner.owners(signal)
  }

  claim(owner: GroupOwner | undefined, signal: AbortSignal): Promise<void> {
    return this.#owner.claim(owner, signal)
  }

  async shutdown(): Promise<void> {
    await Promise.all(this.#takingBack)
  }

  async #describe(id: string, wallTime: number, signal: AbortSignal): Promise<ListedInstance> {
    try {
      const { Id, Created, Config, State } = await this.#engine.inspect(id, signal)
      const { Labels } = Config
      if (Labels[labels.fleet] !== this.#context.fleet || instanceId(Id) !== id) return { id, state: 'deleted' }
      return listedInstance(
        { Id, State: State.Status, Status: State.Status, Created: Date.parse(Created) / 1000, Labels },
        wallTime,
      )
    } catch (error) {
      if (asGroupError(error).code === 'not_found') return { id, state: 'deleted' }
      throw error
    }
  }

  #containers(signal: AbortSignal): Promise<ContainerInfo[]> {
    return this.#engine.list(`${labels.fleet}=${this.#context.fleet}`, signal)
  }

  async #launch(launchToken: string, index: number, signal: AbortSignal): Promise<string> {
    const hostKey = await newKeyPair()
    const authorizedKey = this.#keyPair!.publicKey
    const { image } = this.#config
    const { fleet } = this.#context
    const id = await this.#engine.create(containerOptions({ image, fleet, launchToken, index, hostKey }), signal)
    try {
      await this.#engine.putFiles(id, sshDirectory, sshFiles(hostKey, authorizedKey), signal)
      await this.#engine.start(id, signal)
    } catch (error) {
      const takenBack = this.#takeBack(id)
      this.#takingBack.add(takenBack)
      void takenBack.then(() => this.#takingBack.delete(takenBack))
      // Who has aborted does not wait any longer.
      if (!signal.aborted) await takenBack
      throw error
    }
    this.#admitted.add(instanceId(id))
    return instanceId(id)
  }

  /** Removes a container that did not start; `list` shows it otherwise. Never rejects. */
  async #takeBack(id: string): Promise<void> {
    const { clock, logger } = this.#context
    const limit = new AbortController()
    const cancel = clock.after(takeBackMs, () => limit.abort(new Error(`no answer within ${takeBackMs} ms`)))
    try {
      await this.#engine.remove(id, limit.signal)
    } catch (error) {
      logger.warn({ container: id, error }, 'cannot remove a container that did not start')
    } finally {
      cancel()
    }
  }

  /**
   * Which key an instance knows that another process of this fleet has made, or had since, nobody can tell from
   * outside: it gets ours, once.
   */
  async #admit(id: string, signal: AbortSignal): Promise<void> {
    if (this.#admitted.has(id)) return
    await this.#engine.putFiles(id, sshDirectory, [authorizedKeys(this.#keyPair!.publicKey)], signal)
    this.#admitted.add(id)
  }
}

function unknownImage(image: string): Finding {
  return {
    code: 'image_not_prepared',
    severity: 'warning',
    message: `image ${image} has no label ${imageLabel}: it may ignore the keys that it is given and then cannot be connected to`,
    fix: 'base it on an image made by scripts/mk-sshd-image.sh or from image/Dockerfile, or label it if it reads /etc/ssh/authorized_keys and /etc/ssh/ssh_host_ed25519_key',
  }
}

const remoteDaemon: Finding = {
  code: 'remote_docker_daemon',
  severity: 'warning',
  message:
    "containers' SSH ports are published on 127.0.0.1 of the Docker daemon's machine, which does not seem to be this one",
  fix: "run the manager on the daemon's machine, or unset DOCKER_HOST",
}
