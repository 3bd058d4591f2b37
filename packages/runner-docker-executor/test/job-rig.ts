import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type InstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { type JobOutcome, type JobPayload, type RunJobOptions, runJob } from '@runner-core/job'
import { ConcurrentIds, type PreparedPlace } from '@runner-core/runner-executor'
import { Taskscaler, type TaskscalerOptions, usageRecords } from '@runner-core/taskscaler'
import { busyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { helperImage } from '@runner-core/testkit/containers/helper-image'
import { plainSettings } from '@runner-core/testkit/containers/plain-settings'
import { runner } from '@runner-core/testkit/jobs/job-fixture'
import { DockerExecutor, type DockerExecutorOptions } from '../src/docker-executor.ts'
import type { OpenSocket } from '../src/engine/engine-connection.ts'
import { engineGroup } from '../src/engine/engine-group.ts'
import type { DockerSettings } from '../src/settings/docker-settings.ts'
import { docker } from './service-image.ts'

const socketPath = engineSocket()
const never = new AbortController().signal

export interface JobRigOptions {
  /** Default: this machine's Engine. */
  readonly open?: OpenSocket
  /** Instances in place of the one Engine, at most two. */
  readonly group?: InstanceGroup
  readonly scaler?: Partial<TaskscalerOptions>
  readonly settings?: Partial<DockerSettings>
  readonly executor?: Partial<DockerExecutorOptions>
}

export interface RunOptions extends Partial<Pick<RunJobOptions, 'canceling' | 'abort' | 'runnerScripts'>> {
  /** Sees the trace so far with each piece. */
  readonly onOutput?: (trace: string) => void
  readonly onPlace?: (place: PreparedPlace) => void
}

export interface JobResult {
  readonly outcome: JobOutcome
  /** Colours taken out. */
  readonly trace: string
}

/** The executor of one Engine with one slot, on a real scaler. */
export class JobRig implements AsyncDisposable {
  /** Of this rig alone: what it makes is found by it. */
  readonly name: string = `bad${randomBytes(4).toString('hex')}`
  executor!: DockerExecutor
  scaler!: Taskscaler
  #provisioner!: Provisioner

  static async start({ open = openSocket, group, scaler, settings, executor }: JobRigOptions = {}): Promise<JobRig> {
    const rig = new JobRig()
    const shared = { clock: systemClock, random: Math.random, logger: silentLogger }
    rig.#provisioner = await Provisioner.start(
      {
        ...shared,
        group: group ?? engineGroup(open)({}, { ...shared, fleet: rig.name, connector: {} }),
        usage: usageRecords,
        maxInstances: group === undefined ? 1 : 2,
        settings: { updateIntervalWhenExpectingMs: 50 },
      },
      never,
    )
    rig.scaler = await Taskscaler.start({
      ...shared,
      provisioner: rig.#provisioner,
      onDispose: 'remove-instances',
      policies: [{ periods: ['* * * * *'], idleCount: 0, idleTimeMs: 60_000, scaleFactor: 0, scaleFactorLimit: 0 }],
      ...scaler,
    })
    rig.executor = new DockerExecutor({
      scaler: rig.scaler,
      settings: {
        ...plainSettings,
        pullPolicies: ['never'],
        helperImage,
        ...settings,
      },
      target: { socketPath },
      fleet: `${rig.name}/token/s_1`,
      shortToken: rig.name,
      systemId: 's_1',
      buildsDir: '/builds',
      cacheDir: '/cache',
      environmentVariables: [],
      environment: {},
      concurrentIds: new ConcurrentIds(),
      killGraceMs: 1000,
      ...shared,
      ...executor,
    })
    return rig
  }

  /** Runs one job, and gives its place back. */
  async run(job: JobPayload, { onOutput, onPlace, ...rest }: RunOptions = {}): Promise<JobResult> {
    let trace = ''
    let place: PreparedPlace | undefined
    const outcome = await runJob({
      payload: { ...job, image: job.image ?? imageOf(busyboxImage) },
      prepare: async (report, signal, log) => {
        const again = place !== undefined
        await place?.release()
        place?.wipe()
        place = await this.executor.prepare(undefined, { report, log, signal, job: withImage(job), again })
        onPlace?.(place)
        return place.environment
      },
      trace: {
        write(chunk) {
          trace += chunk.toString()
          onOutput?.(trace)
        },
      },
      clock: systemClock,
      canceling: never,
      abort: never,
      runner: { ...runner, executor: 'docker' },
      supports: this.executor.supports,
      caches: { directory: '/cache' },
      ...rest,
    })
    await place?.release()
    place?.wipe()
    return { outcome, trace: trace.replaceAll(/\x1b\[[0-9;]*[mK]/g, '') }
  }

  /** Names of what jobs of this rig have on the Engine now, beside what stays for the next job. */
  async left(): Promise<readonly string[]> {
    await this.executor.sweepsEnded()
    const filter = `label=dev.runner-core.fleet=${this.name}/token/s_1`
    const list = (...args: string[]): string[] =>
      docker(...args, '--filter', filter)
        .split('\n')
        .filter((line) => line !== '')
    return [
      ...list('ps', '-a', '--format', '{{.Names}} {{.Status}}'),
      ...list('network', 'ls', '--format', '{{.Name}}'),
      ...list('volume', 'ls', '--format', '{{.Name}}'),
    ]
  }

  get lentSlots(): number {
    return this.scaler.status().tasks.acquired
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor.sweepsEnded()
    await this.scaler[Symbol.asyncDispose]()
    await this.#provisioner[Symbol.asyncDispose]()
    const volumes = docker('volume', 'ls', '-q', '--filter', `name=${this.name}`)
    if (volumes !== '') docker('volume', 'rm', ...volumes.split('\n'))
  }
}

export function imageOf(name: string, more: Partial<NonNullable<JobPayload['image']>> = {}): JobPayload['image'] {
  return { name, entrypoint: [], pull_policy: [], user: '', platform: '', ...more }
}

export function serviceOf(
  name: string,
  more: Partial<NonNullable<JobPayload['services']>[number]> = {},
): NonNullable<JobPayload['services']>[number] {
  return { ...imageOf(name)!, alias: '', command: [], variables: [], ...more }
}

function withImage(job: JobPayload): JobPayload {
  return { ...job, image: job.image ?? imageOf(busyboxImage) }
}

export async function openSocket(): ReturnType<OpenSocket> {
  const socket = connect({ path: socketPath, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}
