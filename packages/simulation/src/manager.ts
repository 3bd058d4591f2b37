import { type Clock, type InstanceGroup, type Logger, silentLogger } from '@runner-core/fleeting'
import { Provisioner, type ProvisionerOptions, type ProvisionerSettingsInput } from '@runner-core/fleeting/provisioner'
import { Journal } from '@runner-core/fleeting/state'
import { jobFeatures } from '@runner-core/job'
import { createLogger, describeRunner, JobApiClient, type RunnerFeature } from '@runner-core/runner'
import {
  Concurrency,
  engineTarget,
  type FleetState,
  JobJournal,
  JobSupervisor,
  KeptMap,
  keptOutputBytes,
  LogSink,
  type LogTrouble,
  ownInstances,
  type RunnerSettings,
  RunnerSupervisor,
  Seal,
} from '@runner-core/runner/internals'
import { DockerExecutor } from '@runner-core/runner-docker-executor'
import { ConcurrentIds, type JobExecutor } from '@runner-core/runner-executor'
import { InstanceExecutor, isKnownLogin, type SlotClaims } from '@runner-core/runner-instance-executor'
import { type IdlePolicy, type Reservation, Taskscaler, type TaskscalerOptions } from '@runner-core/taskscaler'
import { fleetLabelOf, ownSystemId, shortToken } from './container-settings.ts'
import { runnerToken, type WireRequest } from './coordinator/world-coordinator.ts'
import { worldRoute } from './coordinator/world-route.ts'
import type { ManagerOptions } from './manager-options.ts'
import { runnerSettings } from './runner-settings.ts'
import type { Witness } from './witness.ts'
import type { WorldProcess } from './world-process.ts'

const second = 1000
const minute = 60 * second

/** The first wait before an open breaker lets a probe through. */
export const breakerProbeMs: number = minute

/** How late the manager takes lists to be. */
export const believedListLagMs: number = 10 * second

/** How long the manager waits for what a launch is to bring. */
export const launchTimeoutMs: number = 2 * minute

/** Short enough that a run covers every timeout; no configuration says them. */
const provisionerSettings: ProvisionerSettingsInput = {
  listLagMs: believedListLagMs,
  updateIntervalWhenInUseMs: 10 * second,
  launchTimeoutMs,
  stuckTimeoutMs: 3 * minute,
  callTimeoutMs: 15 * second,
  breakerProbe: { baseMs: breakerProbeMs, maxMs: 2 * minute },
}

/** The key that state is sealed under; the disk is read by those alone whom the world tells it to. */
const stateKey = Buffer.alloc(32, 7)

/**
 * One life of a runner manager: all that `Runner` makes for one entry of its configuration, as it makes it, with the
 * world at its rims.
 */
export class Manager {
  readonly process: WorldProcess
  readonly witness: Witness
  readonly #options: ManagerOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #log: LogSink | undefined
  readonly #runner: RunnerSupervisor
  readonly #client: JobApiClient
  readonly #concurrentIds = new ConcurrentIds()
  #policies: readonly IdlePolicy[]
  #scaler: Taskscaler | undefined
  #guests = 0
  #markers = 0

  constructor(options: ManagerOptions) {
    this.#options = options
    this.process = options.process
    this.witness = options.witness
    this.#clock = options.bug?.clock?.(options.process.clock) ?? options.process.clock
    const { writeLog } = options
    const log =
      writeLog &&
      new LogSink({ write: writeLog, after: (delayMs, callback) => options.process.clock.after(delayMs, callback) })
    this.#log = log
    const written = { level: 'debug', format: 'json', secrets: [runnerToken] } as const
    this.#logger = log === undefined ? silentLogger : createLogger({ ...written, write: (line) => log.line(line) })
    this.#policies = options.policies
    const { random, process, coordinator, latencyMs, systemId = ownSystemId } = options
    const settings = runnerSettings({ ...options, maxInstances: options.maxInstances + (options.bug?.more ?? 0) })
    const clock = this.#clock
    const logger = this.#logger
    const executor = settings.docker === undefined ? InstanceExecutor : DockerExecutor
    const features = [...Object.keys(jobFeatures), ...executor.features] as RunnerFeature[]
    const changed = options.bug?.group ?? ((group: InstanceGroup) => group)
    const info = describeRunner({ version: '1.0.0', executor: settings.executor, shell: settings.shell, features })
    this.#client = new JobApiClient({
      ...settings,
      systemId,
      environment: {},
      info,
      openRoute: (_url, _options, answerTimeoutMs) =>
        worldRoute({ process, coordinator, answerTimeoutMs, latencyMs, onRequest: (request) => this.#asks(request) }),
      clock,
      random,
      logger,
    })
    const identity = {
      ...info,
      name: settings.name,
      shortToken,
      systemId,
      hostname: 'world',
      architecture: 'linux/amd64',
    }
    this.#runner = new RunnerSupervisor({
      settings,
      checkIntervalMs: 3 * second,
      shutdownTimeoutMs: 30 * second,
      labels: { runner: identity.shortToken, runner_name: settings.name, system_id: identity.systemId },
      client: this.#client,
      concurrent: new Concurrency(Number.POSITIVE_INFINITY),
      mayPark: () => true,
      findPlugin: async () => ({ createInstanceGroup: () => changed(options.createGroup()) }),
      manager: systemId,
      systemId,
      observers: { provisioner: {}, taskscaler: {} },
      claimGroup() {},
      redact: (text) => text,
      openState: (signal) => this.#openState(settings.name, signal),
      makeProvisioner: (given, signal) => this.#makeProvisioner(given, signal),
      makeScaler: (given, signal) => this.#makeScaler(given, signal),
      createJobSupervisor: ({ provisioner, scaler, queue, claims, state }, record, onSlotFree, ends) => {
        const supervisor = new JobSupervisor({
          settings,
          client: this.#client,
          executor: this.#executor(settings, scaler, provisioner, state, claims),
          identity,
          queue,
          observer: { started() {}, stageEnded() {}, ended() {} },
          record: {
            jobCame: (id, queuedMs) => record.jobCame(id, queuedMs),
            jobWaits: (id, why) => {
              this.witness.waits(`j${id}`, why)
              record.jobWaits(id, why)
            },
            jobPlaced: (id, instance, place) => record.jobPlaced(id, instance, place),
            jobEnded: (id, how) => record.jobEnded(id, how),
          },
          journal: state?.jobs,
          onSlotFree,
          ends,
          clock,
          random,
          logger,
        })
        const run = supervisor.run.bind(supervisor)
        supervisor.run = (job, reservation) => {
          this.witness.took(job.job_info.name, reservation)
          return run(job, reservation)
        }
        return supervisor
      },
      clock,
      random,
      logger,
    })
  }

  /** Resolves once another process has the fleet, and this one has nothing more to do. */
  get departed(): Promise<unknown> {
    return this.#runner.departed
  }

  /** Why its log takes nothing now. */
  get logTrouble(): LogTrouble | undefined {
    return this.#log?.trouble
  }

  get scaler(): Taskscaler | undefined {
    return this.#scaler
  }

  configureSchedule(policies: readonly IdlePolicy[]): void {
    this.#policies = policies
    this.#scaler?.configureSchedule(policies)
  }

  /** Somebody who embeds the library asks for a slot, holds it for a while, or gives the wait up. */
  async guest(priority: number, holdMs: number, patienceMs: number): Promise<void> {
    const scaler = this.#scaler
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

  /** Takes no more jobs, waits for those that run, and removes the instances. */
  async stop(): Promise<readonly string[]> {
    return (await this.#runner.stop('graceful')).remainingInstances
  }

  /** As `openFleetState`, on the disk of the world. */
  async #openState(runner: string, signal: AbortSignal): Promise<FleetState> {
    const { store, bug } = this.#options
    const own = await store.lease('fleet', { signal })
    const lease = Journal.over({ lease: bug?.lease?.(own) ?? own, clock: this.#clock, logger: this.#logger })
    const jobs = new JobJournal({ journal: lease, seal: new Seal(stateKey), runner })
    try {
      return {
        lease,
        jobs,
        left: await jobs.load(),
        logins: await KeptMap.load({
          journal: lease,
          prefix: 'login ',
          most: 100,
          wallTime: () => this.#clock.wallTime(),
          isValue: isKnownLogin,
        }),
        fleetKey: { publicKey: '', privateKey: '' },
        pluginDir: '',
        close: () => lease.release(),
      }
    } catch (error) {
      await lease.release()
      throw error
    }
  }

  async #makeProvisioner(given: ProvisionerOptions, signal: AbortSignal): Promise<Provisioner> {
    const { bug, healthChecks } = this.#options
    const health = {
      ...given.settings?.health,
      checkIntervalMs: healthChecks ? 20 * second : 0,
      massFailureProbeMs: minute,
    }
    const settings = {
      ...given.settings,
      ...provisionerSettings,
      ...bug?.settings,
      health: { ...health, ...bug?.settings?.health },
    }
    const provisioner = await Provisioner.start({ ...given, settings }, signal)
    bug?.provisioner?.(provisioner, this.#clock)
    this.witness.watchProvisioner(provisioner)
    return provisioner
  }

  async #makeScaler(given: TaskscalerOptions, signal: AbortSignal): Promise<Taskscaler> {
    const { bug, promiseCapMs } = this.#options
    const scaler = await Taskscaler.start({ ...given, promiseCapMs, policies: this.#policies }, signal)
    bug?.scaler?.(scaler, given.provisioner as Provisioner)
    this.witness.watchScaler(scaler)
    const wrong = bug?.reserve
    if (wrong !== undefined) {
      const reserve = scaler.reserve.bind(scaler)
      let isAsked = false
      scaler.reserve = (options) => {
        if (isAsked || options?.speculative !== true) return reserve(options)
        isAsked = true
        try {
          return wrong(scaler)
        } finally {
          isAsked = false
        }
      }
    }
    this.#scaler = scaler
    return scaler
  }

  /** As `JobExecutors` makes it. */
  #executor(
    settings: RunnerSettings,
    scaler: Taskscaler,
    provisioner: Provisioner,
    state: Pick<FleetState, 'logins' | 'lease'> | undefined,
    claims: SlotClaims | undefined,
  ): JobExecutor {
    const { process, random, systemId = ownSystemId } = this.#options
    const { shell, minFreeBytes, autoscaler, buildsDir, detach, reconnectGraceMs, docker } = settings
    const shared = {
      scaler,
      buildsDir,
      acquireTimeoutMs: autoscaler.instanceAcquireTimeoutMs,
      concurrentIds: this.#concurrentIds,
      clock: this.#clock,
      logger: this.#logger,
    }
    if (docker !== undefined)
      return new DockerExecutor({
        ...shared,
        settings: docker,
        target: engineTarget(docker),
        fleet: fleetLabelOf(systemId),
        shortToken,
        systemId,
        cacheDir: settings.cacheDir,
        environmentVariables: settings.environment,
        environment: {},
        findUserFile: async () => undefined,
        logBytes: keptOutputBytes(settings),
        ...(detach && { outlives: { reconnectGraceMs } }),
        instances: ownInstances({ scaler, provisioner, lease: state?.lease }),
        random,
      })
    return new InstanceExecutor({
      ...shared,
      shell,
      minFreeBytes,
      logins: state?.logins,
      trust: autoscaler.maxUseCount === 1 ? 'none' : (settings.trust ?? 'all'),
      claims,
      ...(detach && { detach: { limitBytes: keptOutputBytes(settings), reconnectGraceMs } }),
      createJobMarker: () => `${process.name}x${this.#markers++}`,
    })
  }

  #asks({ path }: WireRequest): () => void {
    if (!path.endsWith('/jobs/request')) return () => {}
    this.witness.asks()
    return () => this.witness.answered()
  }
}
