import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type ConnectorConfig, type CreateInstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { createSshConnector, dialTcp } from '@runner-core/fleeting/ssh'
import {
  type JobCheckpoint,
  type JobEnvironment,
  type JobOutcome,
  type JobPayload,
  runJob,
  type Trace,
} from '@runner-core/job'
import { ConcurrentIds } from '@runner-core/runner-executor'
import { NoCapacityError, type Reservation, Taskscaler, usageRecords } from '@runner-core/taskscaler'
import { runner } from '@runner-core/testkit/jobs/job-fixture'
import {
  InstanceExecutor,
  type InstanceExecutorOptions,
  SlotClaims,
  type SlotClaimsOptions,
  sweepSlots,
} from '../src/index.ts'

export interface FleetOptions {
  readonly createInstanceGroup: CreateInstanceGroup
  readonly pluginConfig: (directory: string) => object
  /** Its `timeoutMs` is 500 by default. */
  readonly connector?: ConnectorConfig
  readonly maxInstances?: number
  readonly capacityPerInstance?: number
  /** Absent: slots are not claimed. */
  readonly claims?: SlotClaimsOptions
  /** Whether what others left is ended before an instance is used. Default true, where slots are claimed. */
  readonly isSwept?: boolean
  /** Slots that are kept for jobs of an earlier fleet. Default: none. */
  readonly isLent?: (slot: number) => boolean
  readonly executor?: Pick<
    InstanceExecutorOptions,
    'acquireTimeoutMs' | 'connectTimeoutMs' | 'detach' | 'minFreeBytes' | 'trust' | 'logins' | 'clock'
  > &
    Partial<Pick<InstanceExecutorOptions, 'shell' | 'buildsDir'>>
}

export interface JobResult {
  readonly outcome: JobOutcome
  /** The whole trace, colours taken out. */
  readonly trace: string
  /** Absent when the job got no place. */
  readonly environment?: JobEnvironment
}

export interface JobHooks {
  /** Whose job it is. Default: nobody's in particular. */
  readonly project?: string
  /** Gets the trace too, as the coordinator's copy does. */
  readonly log?: Trace
  /** Sees the trace so far with each piece. */
  readonly onOutput?: (trace: string) => void
  readonly abort?: AbortSignal
  /** Goes on with a job that another fleet left. */
  readonly resume?: JobCheckpoint
  readonly onCheckpoint?: (take: () => JobCheckpoint) => void
  readonly onPlace?: (environment: JobEnvironment) => void
  readonly onRelease?: (environment: JobEnvironment) => void
}

/** An executor over a real scaler, a real provisioner and real SSH connections, whose sockets a test can cut. */
export class ExecutorFleet implements AsyncDisposable {
  /** Open sockets to machines. */
  readonly sockets = new Set<Duplex>()
  /** Ports that cannot be dialled. */
  readonly deadPorts = new Set<number>()
  /** Ports whose dials end at another one. */
  readonly detours = new Map<number, number>()
  dials = 0
  #isAway = false
  readonly #directory = mkdtempSync(join(tmpdir(), 'runner-core-executor-'))
  /** Set by {@link start}. */
  provisioner!: Provisioner
  scaler!: Taskscaler
  executor!: InstanceExecutor

  static async start(options: FleetOptions): Promise<ExecutorFleet> {
    const fleet = new ExecutorFleet()
    const { connector = {}, maxInstances = 2, capacityPerInstance = 1, isLent = () => false } = options
    const { minFreeBytes = 0 } = options.executor ?? {}
    const shared = { clock: systemClock, random: Math.random, logger: silentLogger }
    const group = options.createInstanceGroup(options.pluginConfig(fleet.#directory), {
      ...shared,
      fleet: 'test',
      connector,
    })
    fleet.provisioner = await Provisioner.start(
      {
        ...shared,
        group,
        usage: usageRecords,
        connector: createSshConnector({
          ...shared,
          connector: { timeoutMs: 500, ...connector },
          dialTcp: (...call) => fleet.#dial(...call),
        }),
        maxInstances,
        settings: { updateIntervalWhenExpectingMs: 100 },
      },
      new AbortController().signal,
    )
    const policy = { periods: ['* * * * *'], idleCount: 0, idleTimeMs: 60_000, scaleFactor: 0, scaleFactorLimit: 0 }
    const claims = options.claims && new SlotClaims(options.claims)
    const buildsDir = options.executor?.buildsDir ?? join(fleet.#directory, 'builds')
    fleet.scaler = await Taskscaler.start({
      ...shared,
      provisioner: fleet.provisioner,
      onDispose: 'remove-instances',
      capacityPerInstance,
      policies: [policy],
      ...((options.isSwept ?? true) &&
        claims && {
          readyCheck: ({ id }, connection, signal) =>
            sweepSlots(connection, { buildsDir, minFreeBytes, claims, isLent, instanceId: id, ...shared }, signal),
        }),
    })
    fleet.executor = new InstanceExecutor({
      scaler: fleet.scaler,
      shell: 'bash',
      buildsDir,
      claims,
      concurrentIds: new ConcurrentIds(),
      killGraceMs: 300,
      ...options.executor,
    })
    return fleet
  }

  /** Runs one job, however long it has to wait for capacity. */
  async run(
    job: JobPayload,
    {
      project,
      log,
      onOutput,
      abort = new AbortController().signal,
      onPlace,
      onRelease,
      resume,
      onCheckpoint,
    }: JobHooks = {},
  ): Promise<JobResult> {
    const chunks: Buffer[] = []
    const text = (): string =>
      Buffer.concat(chunks)
        .toString()
        .replaceAll(/\x1b\[[0-9;]*[mK]/g, '')
    const reservation = await this.#reserve()
    let environment: JobEnvironment | undefined
    let release = async (): Promise<void> => {}
    let wipe = (): void => {}
    const outcome = await runJob({
      payload: job,
      prepare: async (report, signal) => {
        await release()
        const place =
          resume === undefined
            ? await this.executor.prepare(reservation, { report, signal, project, again: environment !== undefined })
            : await this.executor.resume(await this.scaler.acquire(reservation), resume.environment)
        environment = place.environment
        release = () => place.release()
        wipe = () => place.wipe()
        onPlace?.(environment)
        return environment
      },
      trace: {
        write: (chunk) => {
          chunks.push(Buffer.from(chunk))
          onOutput?.(text())
          return log?.write(chunk)
        },
        addSecret: (secret) => log?.addSecret(secret),
      },
      clock: systemClock,
      canceling: new AbortController().signal,
      abort,
      runner,
      ...(resume !== undefined && { resume }),
      ...(onCheckpoint !== undefined && { onCheckpoint }),
    })
    if (environment !== undefined) onRelease?.(environment)
    await release()
    wipe()
    return { outcome, trace: text(), ...(environment !== undefined && { environment }) }
  }

  /** A network that is away for a while. */
  goAway(durationMs: number): void {
    this.#isAway = true
    this.cut()
    setTimeout(() => (this.#isAway = false), durationMs)
  }

  /** A network that goes away for a moment. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scaler.shutdown({ removeInstances: true, timeoutMs: 10_000 })
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #reserve(): Promise<Reservation> {
    for (;;) {
      try {
        return this.scaler.reserve()
      } catch (error) {
        if (!(error instanceof NoCapacityError)) throw error
        await new Promise<void>((resolve) => {
          const stop = this.scaler.onChange(() => {
            stop()
            resolve()
          })
        })
      }
    }
  }

  async #dial(...[address, signal]: Parameters<typeof dialTcp>): Promise<Duplex> {
    this.dials++
    if (this.#isAway || this.deadPorts.has(address.port))
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const socket = await dialTcp({ ...address, port: this.detours.get(address.port) ?? address.port }, signal)
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    return socket
  }
}
