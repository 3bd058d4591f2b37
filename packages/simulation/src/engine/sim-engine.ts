import { createHash } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { MachineWatch, RunningScript } from '../machine/sim-machine.ts'
import { EngineRefusal } from './engine-refusal.ts'
import { EngineTime } from './engine-time.ts'
import { type ContainerSpec, SimContainer } from './sim-container.ts'

/** Something on an Engine that a job may leave. */
export interface EngineThing {
  readonly kind: 'container' | 'network' | 'volume'
  readonly name: string
  readonly labels: Labels
}

type Labels = Readonly<Record<string, string>>

export interface EngineWatch extends Pick<MachineWatch, 'started' | 'said' | 'ended'> {
  /** `isStrange`: somebody else made it. */
  made(machine: string, thing: EngineThing, isStrange: boolean): void
  removed(machine: string, thing: EngineThing): void
}

export interface SimEngineOptions {
  readonly machine: string
  readonly clock: Clock
  readonly isUp: () => boolean
  /** Of each call. */
  readonly delayMs: number
  /** The shell of its images. */
  readonly shell: 'sh' | 'bash'
  /** What others have there. */
  readonly strange: readonly EngineThing[]
  readonly watch: EngineWatch
  readonly uptime: () => string
  /** As a look at the disk has it; undefined: there is room. */
  readonly trouble: () => string | undefined
  readonly fill: (bytes: number) => void
  readonly onUnknown: (error: Error) => void
}

/** The body of a request for a container, as far as the world needs it. */
export interface ContainerBody {
  readonly Image: string
  readonly Cmd?: readonly string[]
  readonly Labels?: Labels
  readonly HostConfig?: {
    readonly Binds?: readonly string[]
    readonly NetworkMode?: string
    readonly PidMode?: string
  }
}

/** How long a pull takes, milliseconds. */
export const pullMs = 1500

/**
 * A Docker Engine that keeps containers, networks, volumes and images, and runs in its containers the scripts that
 * production sends. What it is asked for and does not know is an error.
 */
export class SimEngine {
  readonly time: EngineTime
  readonly options: SimEngineOptions
  readonly containers: Map<string, SimContainer> = new Map()
  readonly networks: Map<string, EngineThing & { readonly id: string }> = new Map()
  readonly volumes: Map<string, EngineThing & { isOpen: boolean }> = new Map()
  /** Nobody hears what it has for them before that. */
  silentUntil: number = Number.NEGATIVE_INFINITY
  /** Every other call fails until then. */
  failingUntil: number = Number.NEGATIVE_INFINITY
  /** Called when it goes down. */
  onDown: () => void = () => {}
  #isDown = false
  /** Ids by name. */
  readonly #images = new Map<string, string>()
  #ids = 0
  #calls = 0
  #copies = 0
  #runs = 0

  constructor(options: SimEngineOptions) {
    this.options = options
    this.time = new EngineTime(options.clock)
    for (const thing of options.strange) this.#have(thing)
  }

  /** Scripts of jobs that run now. */
  get scripts(): readonly RunningScript[] {
    return [...this.containers.values()].flatMap(({ script }) => script ?? [])
  }

  get isDown(): boolean {
    return this.#isDown
  }

  /** Its process ends: containers go on without it. */
  goDown(): void {
    this.#isDown = true
    this.onDown()
  }

  /** Asked once for each call. */
  failsNow(): boolean {
    if (this.options.clock.now() >= this.failingUntil) return false
    this.#calls += 1
    return this.#calls % 2 === 0
  }

  heal(): void {
    this.#isDown = false
    this.silentUntil = this.failingUntil = Number.NEGATIVE_INFINITY
  }

  /** Somebody runs an image that a job made of its container: it has the labels of that. */
  copyContainer(n: number): string | undefined {
    const running = [...this.containers.values()].filter(({ script }) => script?.job !== undefined)
    const container = running[n % Math.max(1, running.length)]
    if (container === undefined) return undefined
    this.#copies += 1
    this.#have({ kind: 'container', name: `copy${this.#copies}`, labels: container.spec.labels })
    return container.script?.job
  }

  /** Somebody else removes a container, whatever runs in it. */
  loseContainer(n: number): string | undefined {
    const running = [...this.containers.values()].filter(({ script }) => script?.job !== undefined)
    const container = running[n % Math.max(1, running.length)]
    const job = container?.script?.job
    if (container !== undefined) this.removeContainer(container, true, () => {})
    return job
  }

  /** Power off. */
  stop(): void {
    for (const container of this.containers.values()) if (container.state === 'running') container.kill()
  }

  image(name: string): string {
    for (const [known, id] of this.#images) if (known === name || id === name) return id
    throw new EngineRefusal(404, `No such image: ${name}`)
  }

  hasPulled(name: string): void {
    this.#needsRoom()
    this.#images.set(name, `sha256:${createHash('sha256').update(name).digest('hex')}`)
  }

  /** By id, or by name. */
  container(name: string): SimContainer {
    const found = [...this.containers.values()].find((each) => each.id === name || each.spec.name === name)
    if (found === undefined) throw new EngineRefusal(404, `No such container: ${name}`)
    return found
  }

  createContainer(name: string, { Image, Cmd, Labels = {}, HostConfig = {} }: ContainerBody): SimContainer {
    const imageId = this.image(Image)
    for (const each of this.containers.values())
      if (each.spec.name === name) throw new EngineRefusal(409, `The container name "/${name}" is already in use`)
    this.#needsRoom()
    const { Binds: binds = [], NetworkMode: network = 'default', PidMode: pidMode = '' } = HostConfig
    for (const bind of binds) this.createVolume(bind.split(':')[0]!, {})
    if (Cmd !== undefined && Cmd[0] !== 'sh')
      throw new Error(`the world's Engine does not know this command: ${Cmd.join(' ').slice(0, 300)}`)
    const runs = Cmd === undefined ? 'a service' : 'a shell'
    const container = this.#add({ name, labels: Labels, imageId, runs, binds, network, pidMode })
    const { machine, watch } = this.options
    watch.made(machine, { kind: 'container', name, labels: Labels }, false)
    return container
  }

  startContainer(container: SimContainer): void {
    const { state, spec } = container
    if (state === 'running') throw new EngineRefusal(304, '')
    if (state === 'removing') throw new EngineRefusal(409, 'container is marked for removal and cannot be started')
    if (spec.network !== 'default' && !this.#networkOf(spec.network))
      throw new EngineRefusal(404, `network ${spec.network} not found`)
    container.start()
  }

  /** Takes its time, in which others hear that it is being removed. */
  removeContainer(container: SimContainer, force: boolean, done: () => void): void {
    if (container.state === 'removing')
      throw new EngineRefusal(409, `removal of container ${container.id} is already in progress`)
    if (container.state === 'running' && !force)
      throw new EngineRefusal(409, `You cannot remove a running container ${container.id}`)
    if (container.state === 'running') container.kill()
    container.state = 'removing'
    this.after(this.options.delayMs, () => {
      this.containers.delete(container.id)
      const { name, labels } = container.spec
      this.options.watch.removed(this.options.machine, { kind: 'container', name, labels })
      done()
    })
  }

  createVolume(name: string, labels: Labels): void {
    if (this.volumes.has(name)) return
    this.#needsRoom()
    const volume = { kind: 'volume', name, labels, isOpen: false } as const
    this.volumes.set(name, volume)
    this.options.watch.made(this.options.machine, volume, false)
  }

  removeVolume(name: string): void {
    const volume = this.volumes.get(name)
    if (volume === undefined) throw new EngineRefusal(404, `get ${name}: no such volume`)
    for (const { spec } of this.containers.values())
      if (spec.binds.some((bind) => bind.startsWith(`${name}:`)))
        throw new EngineRefusal(409, `remove ${name}: volume is in use`)
    this.volumes.delete(name)
    this.options.watch.removed(this.options.machine, volume)
  }

  createNetwork(name: string, labels: Labels): string {
    if (this.#networkOf(name)) throw new EngineRefusal(409, `network with name ${name} already exists`)
    const network = { kind: 'network', id: this.#id(), name, labels } as const
    this.networks.set(network.id, network)
    this.options.watch.made(this.options.machine, network, false)
    return network.id
  }

  removeNetwork(id: string): void {
    const network = this.networks.get(id)
    if (network === undefined) throw new EngineRefusal(404, `network ${id} not found`)
    for (const { spec, state } of this.containers.values())
      if (spec.network === network.name && state === 'running')
        throw new EngineRefusal(403, `error while removing network: ${network.name} has active endpoints`)
    this.networks.delete(id)
    this.options.watch.removed(this.options.machine, network)
  }

  /** Nothing happens on a machine that is off. */
  after(ms: number, act: () => void): () => void {
    return this.options.clock.after(ms, () => {
      if (this.options.isUp()) act()
    })
  }

  #add(spec: ContainerSpec): SimContainer {
    const { machine, clock, watch, uptime, trouble, fill, onUnknown } = this.options
    const container = new SimContainer(this.#id(), spec, {
      machine,
      clock: {
        now: () => clock.now(),
        wallTime: () => clock.wallTime(),
        after: (ms, act) => this.after(ms, act),
      },
      time: this.time,
      watch,
      nameRun: () => `${machine}/c${++this.#runs}`,
      uptime,
      trouble,
      fill,
      onUnknown,
    })
    this.containers.set(container.id, container)
    return container
  }

  #have(thing: EngineThing): void {
    const { kind, name, labels } = thing
    if (kind === 'volume') this.volumes.set(name, { ...thing, isOpen: false })
    else if (kind === 'network') {
      const id = this.#id()
      this.networks.set(id, { ...thing, id })
    } else {
      const spec = { name, labels, imageId: '', runs: 'a service', binds: [], network: 'default', pidMode: '' } as const
      this.#add(spec).start()
    }
    this.options.watch.made(this.options.machine, thing, true)
  }

  #networkOf(name: string): boolean {
    return [...this.networks.values()].some((network) => network.name === name)
  }

  #needsRoom(): void {
    const trouble = this.options.trouble()
    if (trouble !== undefined) throw new EngineRefusal(500, 'write /var/lib/docker: no space left on device')
  }

  /** As long as an Engine's, and the same in each run. */
  #id(): string {
    this.#ids += 1
    return createHash('sha256').update(`${this.options.machine} ${this.#ids}`).digest('hex')
  }
}
