import {
  type Clock,
  type FleetLease,
  type InstanceGroup,
  Provisioner,
  type ProvisionerOptions,
  type ProvisionerSettingsInput,
  type Random,
  type StateStore,
  silentLogger,
} from '@runner-core/fleeting'
import { Concurrency, JobLoop, startAgain } from '@runner-core/runner/internals'
import { ConcurrentIds, InstanceExecutor, type PreparedInstance } from '@runner-core/runner-instance-executor'
import { type IdlePolicy, QueueDepth, type Reservation, Taskscaler } from '@runner-core/taskscaler'
import type { Bug } from './bugs.ts'
import type { Witness } from './witness.ts'
import type { WorldCoordinator, WorldJob } from './world-coordinator.ts'
import { scriptOf, type WorldMachines } from './world-machines.ts'
import type { WorldProcess } from './world-process.ts'

const second = 1000
const minute = 60 * second

/** The first wait before an open breaker lets a probe through. */
export const breakerProbeMs: number = minute

/** Short enough that a run covers every timeout. */
const managerSettings: ProvisionerSettingsInput = {
  updateIntervalMs: 30 * second,
  updateIntervalWhenExpectingMs: 5 * second,
  updateIntervalWhenInUseMs: 10 * second,
  launchTimeoutMs: 2 * minute,
  listLagMs: 10 * second,
  stuckTimeoutMs: 3 * minute,
  callTimeoutMs: 15 * second,
  deletionRetryIntervalMs: 10 * second,
  launchThrottle: { perSecond: 0.5, burst: 4 },
  breakerProbe: { baseMs: breakerProbeMs, maxMs: 2 * minute },
}

export interface ManagerOptions {
  readonly process: WorldProcess
  readonly witness: Witness
  readonly group: InstanceGroup
  readonly store: StateStore
  readonly coordinator: WorldCoordinator
  readonly machines: WorldMachines
  /** By key of its acquisition, the job that has it: what a runner keeps of its jobs. */
  readonly holders: Map<string, WorldJob>
  readonly capacityPerInstance: number
  readonly maxUseCount: number
  readonly maxInstances: number
  readonly requestConcurrency: number
  readonly healthChecks: boolean
  readonly unknownInstances: NonNullable<ProvisionerOptions['unknownInstances']>
  readonly promiseCapMs: number
  readonly policies: readonly IdlePolicy[]
  readonly random: Random
  readonly bug: Bug | undefined
}

interface Running {
  readonly scaler: Taskscaler
  readonly executor: InstanceExecutor
  readonly queue: QueueDepth
  readonly loop: JobLoop<WorldJob>
}

/** One life of a runner manager: the provisioner, the scaler, the executor and the loop as they are, put together as the runner does, with jobs that a script of the world stands for. */
export class Manager {
  readonly process: WorldProcess
  readonly witness: Witness
  readonly #options: ManagerOptions
  readonly #clock: Clock
  readonly #end = new AbortController()
  /** `limit` of a runner: more than there can be slots, so that capacity is what decides. */
  readonly #limit: Concurrency
  #policies: readonly IdlePolicy[]
  #running: Running | undefined
  #guests = 0

  constructor(options: ManagerOptions) {
    this.#options = options
    this.process = options.process
    this.witness = options.witness
    this.#clock = options.bug?.clock?.(options.process.clock) ?? options.process.clock
    this.#policies = options.policies
    this.#limit = new Concurrency(options.maxInstances * options.capacityPerInstance + 2)
    void this.#start()
  }

  get scaler(): Taskscaler | undefined {
    return this.#running?.scaler
  }

  configureSchedule(policies: readonly IdlePolicy[]): void {
    this.#policies = policies
    this.#running?.scaler.configureSchedule(policies)
  }

  /** Somebody who embeds the library asks for a slot, holds it for a while, or gives the wait up. */
  async guest(priority: number, holdMs: number, patienceMs: number): Promise<void> {
    const { scaler } = this.#running ?? {}
    if (scaler === undefined) return
    let reservation: Reservation
    try {
      reservation = scaler.reserve({ priority, key: `guest-${++this.#guests}` })
    } catch {
      return
    }
    const patience = new AbortController()
    const cancel = this.#clock.after(patienceMs, () => patience.abort(new Error('out of patience')))
    try {
      const acquisition = await scaler.acquire(reservation, { signal: patience.signal })
      await new Promise<void>((resolve) => {
        this.#clock.after(holdMs, resolve)
        acquisition.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      scaler.release(acquisition)
    } catch {
      // Out of patience.
    } finally {
      cancel()
    }
  }

  /** Takes no more jobs, waits for those that run, and leaves or removes the instances. */
  async stop(removeInstances: boolean): Promise<readonly string[]> {
    this.#end.abort(new Error('the manager stops'))
    if (this.#running === undefined) return []
    const { loop, executor, scaler } = this.#running
    await loop.stop()
    await executor.sweepsEnded()
    return (await scaler.shutdown({ removeInstances, timeoutMs: minute })).remaining
  }

  async #start(): Promise<void> {
    const { random } = this.#options
    const { signal } = this.#end
    try {
      const provisioner = await startAgain(() => this.#startProvisioner(signal), {
        clock: this.#clock,
        random,
        signal,
        isFinal: () => false,
        onFailure() {},
      })
      await this.#run(provisioner, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #startProvisioner(signal: AbortSignal): Promise<Provisioner> {
    const { group, store, maxInstances, healthChecks, unknownInstances, random, bug } = this.#options
    const lease: FleetLease = await store.lease('fleet')
    const health = { checkIntervalMs: healthChecks ? 20 * second : 0, massFailureProbeMs: minute }
    return await Provisioner.start(
      {
        group: bug?.group?.(group) ?? group,
        lease: bug?.lease?.(lease) ?? lease,
        clock: this.#clock,
        random,
        maxInstances: maxInstances + (bug?.more ?? 0),
        unknownInstances,
        settings: { ...managerSettings, ...bug?.settings, health: { ...health, ...bug?.settings?.health } },
      },
      signal,
    )
  }

  async #run(provisioner: Provisioner, signal: AbortSignal): Promise<void> {
    const { witness, capacityPerInstance, maxUseCount, promiseCapMs, requestConcurrency, bug, process, coordinator } = this.#options
    const clock = this.#clock
    bug?.provisioner?.(provisioner, clock)
    witness.watchProvisioner(provisioner)
    const queue = new QueueDepth({ name: 'GitLab', clock })
    const freePlaces = (): number => Math.max(0, this.#limit.free)
    const scaler = await Taskscaler.start(
      {
        provisioner,
        onDispose: 'keep-instances',
        capacityPerInstance,
        maxUseCount,
        policies: this.#policies,
        promiseCapMs,
        demand: [{ name: queue.name, depth: () => Math.min(queue.depth(), freePlaces()), onChange: (wake) => queue.onChange(wake) }],
        clock,
      },
      signal,
    )
    bug?.scaler?.(scaler, provisioner)
    witness.watchScaler(scaler)
    let markers = 0
    const executor = new InstanceExecutor({
      scaler,
      shell: 'sh',
      buildsDir: 'builds',
      concurrentIds: new ConcurrentIds(),
      acquireTimeoutMs: 4 * minute,
      clock,
      createJobMarker: () => `${process.clock.now()}x${markers++}`,
    })
    const loop: JobLoop<WorldJob> = new JobLoop<WorldJob>({
      rules: { checkIntervalMs: 3 * second, requestConcurrency, unhealthyRequestsLimit: 3, unhealthyIntervalMs: minute },
      bounds: [this.#limit],
      reserve: () => bug?.reserve?.(scaler) ?? scaler.reserve({ speculative: true }),
      onCapacity: (wake) => scaler.onChange(wake),
      ask: async (request) => {
        witness.asks()
        try {
          const answer = await process.effect('coordinator', 'a request for a job', () => coordinator.request(process, request))
          if (answer.result === 'none') queue.set(0)
          return answer
        } finally {
          witness.answered()
        }
      },
      work: (job, reservation) => this.#work(job, reservation, { scaler, executor, queue, loop }),
      clock,
      logger: silentLogger,
    })
    this.#running = { scaler, executor, queue, loop }
    for (const { key } of scaler.restored()) void this.#goOn(key, scaler)
  }

  /** What a manager before this one began: its jobs run on, and are ended here; what nothing runs on any more is given back. */
  async #goOn(key: string, scaler: Taskscaler): Promise<void> {
    const { process, coordinator, machines, holders } = this.#options
    const acquisition = scaler.claimRestored(key)
    if (acquisition === undefined) return
    const job = holders.get(key)
    const running = machines.running.find((other) => other.job === job?.name)
    let isDone = false
    if (job !== undefined && running !== undefined) {
      coordinator.handOver(job, process)
      isDone = await new Promise<boolean>((resolve) => {
        const interrupt = (): void => {
          if (!acquisition.signal.aborted) acquisition.condemn('its job was cancelled')
          resolve(false)
        }
        void running.over.then(resolve)
        acquisition.signal.addEventListener('abort', interrupt, { once: true })
        job.canceled.signal.addEventListener('abort', interrupt, { once: true })
        if (acquisition.signal.aborted || job.canceled.signal.aborted) interrupt()
      })
    }
    scaler.release(acquisition)
    if (job !== undefined && job.state !== 'ended') await this.#tellEnd(job, isDone)
  }

  /** A job from its hand-out to its end, in the order in which the runner does it. Never rejects. */
  async #work(job: WorldJob, reservation: Reservation, { executor, queue, loop }: Running): Promise<void> {
    const { process, coordinator, witness, holders } = this.#options
    witness.took(job.name, reservation)
    queue.set(job.queueSize)
    const over = new AbortController()
    const cancel = (): void => over.abort(job.canceled.signal.reason)
    if (job.canceled.signal.aborted) cancel()
    job.canceled.signal.addEventListener('abort', cancel, { once: true })
    const accepted = process
      .effect('coordinator', `accepting ${job.name}`, () => coordinator.accept(process, job))
      .catch(() => 'failed' as const)
      .then((answer) => {
        if (answer !== 'accepted') over.abort(new Error(`${job.name} is ${answer}`))
      })
    let prepared: PreparedInstance | undefined
    let isDone = false
    try {
      prepared = await executor.prepare(reservation, { report: (text) => witness.waits(job.name, text), signal: over.signal })
      // The executor may have taken another slot than the one promised at first.
      for (const { key, instanceId, slot } of witness.lent)
        if (prepared.environment.description === `instance ${instanceId}, slot ${slot}`) holders.set(key, job)
      await accepted
      over.signal.throwIfAborted()
      const { environment } = prepared
      const slot = Number(/slot (\d+)/.exec(environment.description)?.[1])
      const script = Buffer.from(scriptOf(job.name, slot, job.durationMs))
      const run = { script, nonce: 'world', stdout() {}, stderr() {}, isComplete: () => true, signal: over.signal }
      const end = await environment.run(run)
      isDone = 'exitCode' in end && end.exitCode === 0
    } catch {
      // It has failed, or was cancelled: the coordinator is told below that it is over.
    }
    await prepared?.release()
    reservation[Symbol.dispose]()
    loop.noteCapacity()
    job.canceled.signal.removeEventListener('abort', cancel)
    await this.#tellEnd(job, isDone)
  }

  async #tellEnd(job: WorldJob, isDone: boolean): Promise<void> {
    const { process, coordinator } = this.#options
    const tell = (): Promise<void> => coordinator.finish(process, job, isDone ? 'success' : 'failed')
    await process.effect('coordinator', `ending ${job.name}`, tell).catch(() => {})
  }
}
