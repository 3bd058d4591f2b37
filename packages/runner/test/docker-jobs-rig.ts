import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Coordinator, type CoordinatorJob, type JobSpec } from '@runner-core/runner/testing'
import { busyboxImage, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { helperImage, makeHelperImage } from '@runner-core/testkit/containers/helper-image'
import { Managers } from '@runner-core/testkit/manager/managers'

export { hasEngine } from '@runner-core/testkit/containers/busybox-image'
export { busyboxImage, helperImage }

export const secret = 'over-over-over-there-9'
const fleetLabel = 'dev.runner-core.fleet'

export function docker(...args: string[]): readonly string[] {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    .split('\n')
    .filter(Boolean)
}

export const shellessImage = 'runner-core-shelless:1'

/** Makes an image of one file, which is no shell. */
export function makeShellessImage(): void {
  const archive = execFileSync('tar', ['-C', '/etc', '-c', 'hostname'])
  execFileSync('docker', ['import', '-', shellessImage], { input: archive })
}

export interface RigOptions {
  readonly executor: 'docker' | 'docker-autoscaler'
  readonly keepsState: boolean
  readonly slots?: number
  /** Socket of the Engine, or of a way to it. */
  readonly engine?: string
  /** Lines of `[runners.docker]`. */
  readonly settings?: string
  /** See `CoordinatorOptions`. */
  readonly ackWindowMs?: number
}

/** What a configuration names. */
export interface RigNames {
  readonly name: string
  readonly url: string
  readonly token: string
  readonly folder: string
}

const newToken = (): string => `glrt-${randomBytes(8).toString('hex')}`

/** Managers whose jobs run in containers of this machine's Engine, and a coordinator. */
export class DockerRig implements AsyncDisposable {
  readonly coordinator: Coordinator
  readonly managers: Managers
  /** Of the runner. */
  readonly name: string
  /** Names of volumes that stay begin with it. */
  readonly #volumePrefix: string
  readonly #token: string

  private constructor(coordinator: Coordinator, token: string) {
    this.coordinator = coordinator
    this.managers = new Managers('docker-jobs')
    this.name = `containers-${token.slice(5, 14)}`
    this.#token = token
    this.#volumePrefix = `runner-${token.slice(5, 13)}-`
  }

  static async start(options: RigOptions): Promise<DockerRig> {
    makeBusyboxImage()
    await makeHelperImage()
    const token = newToken()
    const coordinator = await Coordinator.start({
      tokens: [token],
      traceUpdateIntervalSeconds: 1,
      ...(options.ackWindowMs !== undefined && { ackWindowMs: options.ackWindowMs }),
    })
    const rig = new DockerRig(coordinator, token)
    rig.managers.configure(rig.#config(options))
    return rig
  }

  /** With a configuration of the test's own, for images that are there. */
  static async startWith(config: (rig: RigNames) => string): Promise<DockerRig> {
    const token = newToken()
    const coordinator = await Coordinator.start({ tokens: [token], traceUpdateIntervalSeconds: 1 })
    const rig = new DockerRig(coordinator, token)
    rig.managers.configure(config({ name: rig.name, url: coordinator.url, token, folder: rig.managers.folder }))
    return rig
  }

  /** A job in an image, busybox unless another one is named. `more`: what the job says of its image. */
  enqueue(
    spec: JobSpec,
    image: string = busyboxImage,
    override: JobSpec['override'] = {},
    more: object = {},
  ): CoordinatorJob {
    const entrypoint = image === helperImage ? [''] : []
    return this.coordinator.enqueue({ ...spec, override: { image: { name: image, entrypoint, ...more }, ...override } })
  }

  /** Lines that the job's script counts, one each 0.2 s. */
  counting(count: number, spec: Partial<JobSpec> = {}, image?: string, override?: JobSpec['override']): CoordinatorJob {
    return this.enqueue({ ...spec, script: [counter(count), ...(spec.script ?? [])] }, image, override)
  }

  /** Of the containers of the Engine, in any state, those that were made for this runner's jobs. */
  containers(...filters: string[]): readonly string[] {
    return this.#labelled('ps', ['-a', ...filters], '{{.Names}}')
  }

  /** All that was made for its jobs and goes with them. */
  left(): readonly string[] {
    return [
      ...this.containers(),
      ...this.#labelled('network', ['ls'], '{{.Name}}'),
      ...this.#labelled('volume', ['ls'], '{{.Name}}'),
    ]
  }

  /** What stays for later jobs. */
  lastingVolumes(): readonly string[] {
    return docker('volume', 'ls', '--format', '{{.Name}}', '--filter', `name=^${this.#volumePrefix}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.managers[Symbol.asyncDispose]()
    await this.coordinator.close()
    const containers = this.containers()
    if (containers.length > 0) docker('rm', '-f', '-v', ...containers)
    const networks = this.#labelled('network', ['ls'], '{{.Name}}')
    if (networks.length > 0) docker('network', 'rm', ...networks)
    const volumes = [...new Set([...this.lastingVolumes(), ...this.#labelled('volume', ['ls'], '{{.Name}}')])]
    if (volumes.length > 0) docker('volume', 'rm', '-f', ...volumes)
  }

  #labelled(kind: string, args: readonly string[], format: string): readonly string[] {
    const listed = docker(
      kind,
      ...args,
      '--filter',
      `label=${fleetLabel}`,
      '--format',
      `{{.Label "${fleetLabel}"}} ${format}`,
    )
    return listed.filter((line) => line.startsWith(`${this.name}/`)).map((line) => line.split(' ')[1]!)
  }

  #config({ executor, keepsState, slots = 10, engine = engineSocket(), settings = '' }: RigOptions): string {
    const { folder } = this.managers
    const machines = `[runners.autoscaler]
plugin = "local"
plugin_config = { root_dir = "${join(folder, 'instances')}" }
max_instances = 2
capacity_per_instance = ${Math.ceil(slots / 2)}
update_interval_when_expecting = "200ms"
[[runners.autoscaler.policy]]
idle_time = "1h"`
    return `concurrent = ${slots}
${keepsState ? `state_dir = "${join(folder, 'state')}"` : ''}
[[runners]]
name = "${this.name}"
url = "${this.coordinator.url}"
token = "${this.#token}"
limit = ${slots}
executor = "${executor}"
${executor === 'docker' ? '' : machines}
[runners.docker]
host = "unix://${engine}"
helper_image = "${helperImage}"
pull_policy = "never"
wait_for_services_timeout = 3
${settings}
`
  }
}

/** Prints numbered lines, one each 0.2 s. */
export const counter = (count: number): string =>
  `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i"; sleep 0.2; done`

/** The numbers of the lines that {@link DockerRig.counting} printed, in the order of the trace. */
export function lines(job: CoordinatorJob): number[] {
  return [...job.trace.text().matchAll(/^line (\d+)\r?$/gm)].map(([, number]) => Number(number))
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** A way to this machine's Engine that can be cut. */
export interface EngineWay extends AsyncDisposable {
  /** Of its socket. */
  readonly path: string
  /** Ends all connections, and lets none be made for so long, milliseconds. */
  cut(ms: number): void
}

export async function startWay(path: string): Promise<EngineWay> {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (isCut) return void client.on('error', () => {}).destroy()
    const engine = connect({ path: engineSocket(), allowHalfOpen: true })
    client.pipe(engine).pipe(client)
    for (const socket of [client, engine]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        engine.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    path,
    cut(ms) {
      destroyAll()
      isCut = true
      setTimeout(() => {
        isCut = false
      }, ms).unref()
    },
    async [Symbol.asyncDispose]() {
      destroyAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
