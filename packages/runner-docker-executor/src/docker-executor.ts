import { randomBytes } from 'node:crypto'
import {
  type Clock,
  type Connection,
  type DialTarget,
  deadline,
  delay,
  type Logger,
  type Random,
} from '@runner-core/fleeting'
import { EnvironmentError, JobError, type JobPayload, type PrepareLog, type SettingSources } from '@runner-core/job'
import {
  type ConcurrentIds,
  type JobExecutor,
  LeftPlaces,
  LentPlace,
  PlaceFinder,
  type PlaceFinderOptions,
  type PreparedPlace,
  type PrepareOptions,
  SlotConnection,
  Sweeps,
} from '@runner-core/runner-executor'
import type { Acquisition, Reservation } from '@runner-core/taskscaler'
import { EngineSweeper, type OwnInstances } from './cleanup/engine-sweeper.ts'
import { removeAttempt } from './cleanup/remove-attempt.ts'
import { KnownShells } from './containers/known-shells.ts'
import { DockerEnvironment, environmentCode } from './docker-environment.ts'
import { type DockerHandle, parseDockerHandle } from './docker-handle.ts'
import { EngineError } from './engine/engine-error.ts'
import { EngineLink } from './engine/engine-link.ts'
import { furnishJob } from './furnish-job.ts'
import type { FindUserFile } from './images/registry-auth.ts'
import { contentOfJob, planContainers } from './job-plan.ts'
import { ServiceWatch } from './services/service-watch.ts'
import type { DockerSettings } from './settings/docker-settings.ts'

/** Lets scripts outlive their manager. */
export interface OutlivingOptions {
  /** How long an Engine may be out of reach under a script, milliseconds, until it is lost. */
  readonly reconnectGraceMs: number
}

export interface DockerExecutorOptions extends Pick<PlaceFinderOptions, 'scaler' | 'acquireTimeoutMs'> {
  readonly settings: DockerSettings
  /** Where the Engine listens, as seen from an instance. */
  readonly target: DialTarget
  /** Name of the fleet: it is on all that is made. */
  readonly fleet: string
  readonly shortToken: string
  readonly systemId: string
  /** In the containers: absolute. */
  readonly buildsDir: string
  /** In the containers. Absent: caches are kept in a bucket. */
  readonly cacheDir?: string | undefined
  readonly environmentVariables: SettingSources['environmentVariables']
  /** Of this process: where credentials of registries are. */
  readonly environment: NodeJS.ProcessEnv
  /** Finds the `config.json` of this process's user. @defaultValue looks on this computer's disk */
  readonly findUserFile?: FindUserFile | undefined
  /** Shared by all executors of the process. */
  readonly concurrentIds: ConcurrentIds
  /** @defaultValue a script ends with its manager */
  readonly outlives?: OutlivingOptions | undefined
  /** Whose Engines are swept also without a job. @defaultValue none */
  readonly instances?: OwnInstances | undefined
  /** Bytes of each container's output that its Engine keeps. @defaultValue 100,000,000 */
  readonly logBytes?: number
  /** How long a job's processes have from `TERM` to `KILL`, milliseconds. @defaultValue 10,000 */
  readonly killGraceMs?: number
  /**
   * How often an Engine is asked under a script whether it answers, milliseconds. One that does not within 30 s is out
   * of reach. @defaultValue 15,000
   */
  readonly askIntervalMs?: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** A slot with a connection to its instance. */
interface LentSlot {
  readonly acquisition: Acquisition
  readonly connection: Connection
}

const ignore = (): void => {}

/** Places that a job may have, where one is lost before anything of it has begun. */
const maxPlaces = 3

/** How long an Engine that does not answer may take to be there, milliseconds: it may be starting. */
const engineStartMs = 60_000
/** Removing what a job left, milliseconds. */
const removeLimitMs = 60_000

/** Runs jobs in containers of the Docker Engines of autoscaled instances, or of one Engine that is there. */
export class DockerExecutor implements JobExecutor {
  /** What this executor adds to what is told to GitLab. */
  static readonly features: readonly string[] = [
    'shared',
    'image',
    'image_executor_opts',
    'services',
    'service_executor_opts',
    'service_multiple_aliases',
    'service_variables',
  ]
  readonly supports: readonly string[] = ['image', 'services']
  readonly #options: DockerExecutorOptions
  readonly #finder: PlaceFinder
  readonly #left: LeftPlaces
  readonly #sweeps = new Sweeps()
  readonly #shells = new KnownShells()
  /** Attempts under way, and those of an earlier manager that are to be resumed. */
  readonly #active = new Set<string>()
  readonly #sweeper: EngineSweeper

  constructor(options: DockerExecutorOptions) {
    this.#options = options
    this.#sweeper = new EngineSweeper({ ...options, isActive: (attempt) => this.#active.has(attempt) })
    this.#finder = new PlaceFinder(options)
    this.#left = new LeftPlaces(options)
  }

  async prepare(
    reservation: Reservation | undefined,
    { job, log, ...options }: PrepareOptions,
  ): Promise<PreparedPlace> {
    if (job === undefined)
      throw new JobError('unsupported', 'runner_configuration_error', 'scripts of another runner run in no containers')
    const warning = (text: string): void => options.report(`WARNING: ${text}`)
    const said = log ?? { line: options.report, warning, progress: ignore, addSecret: ignore }
    for (let places = 1; ; places++) {
      const prepared = await this.#prepareOnce(reservation, job, said, {
        ...options,
        again: options.again === true || places > 1,
      })
      if (!('lost' in prepared)) return prepared
      if (places === maxPlaces) throw prepared.lost
      options.report(`${prepared.lost.message}. Nothing of the job has started: moving to another slot.`)
    }
  }

  /** `lost`: the way to the Engine broke, or its instance went. */
  async #prepareOnce(
    reservation: Reservation | undefined,
    job: JobPayload,
    log: PrepareLog,
    options: Omit<PrepareOptions, 'job' | 'log'>,
  ): Promise<PreparedPlace | { readonly lost: EnvironmentError }> {
    const { settings, environmentVariables } = this.#options
    const content = contentOfJob(job, settings, environmentVariables)
    const slot = await this.#finder.find<LentSlot>(reservation, {
      ...options,
      content,
      admit: async (acquisition, connection) => ({ place: { acquisition, connection } }),
    })
    const { signal } = options
    const { acquisition } = slot
    const concurrentId = this.#options.concurrentIds.take()
    const attempt = randomBytes(8).toString('hex')
    const link = this.#link(slot)
    this.#active.add(attempt)
    try {
      const prepared = await this.#furnish(slot, link, { job, concurrentId, attempt, log, signal })
      if (content !== undefined) acquisition.addContent(content)
      return prepared
    } catch (error) {
      const { instanceId } = acquisition
      const isLost = acquisition.signal.aborted || (error instanceof EngineError && link.isLost(error))
      const failure =
        isLost || error instanceof EngineError
          ? new EnvironmentError(
              environmentCode(error),
              `instance ${instanceId}: ${error instanceof Error ? error.message : String(error)}`,
              {
                cause: error,
              },
            )
          : error
      // It would fail the next job, too.
      if (failure instanceof EnvironmentError && failure.code === 'unwritable') acquisition.condemn(failure.message)
      // What the Engine was making then may be there only after all else was removed.
      this.#sweeper.note(instanceId)
      this.#remove(instanceId, link, attempt)
      this.#options.concurrentIds.giveBack(concurrentId)
      await acquisition[Symbol.asyncDispose]()
      signal.throwIfAborted()
      if (isLost && failure instanceof EnvironmentError) return { lost: failure }
      throw failure
    }
  }

  hold(handle: unknown): void {
    const known = parseDockerHandle(handle)
    if (known === undefined) return
    this.#left.hold(known.concurrentId)
    this.#active.add(known.attempt)
  }

  async resume(acquisition: Acquisition, handle: unknown): Promise<PreparedPlace> {
    const known = parseDockerHandle(handle)
    const { outlives } = this.#options
    if (known === undefined || outlives === undefined)
      return await this.#left.giveUp(acquisition, 'its containers do not outlive their manager')
    try {
      return await this.#left.resume(acquisition, {
        concurrentId: known.concurrentId,
        reconnectGraceMs: outlives.reconnectGraceMs,
        place: (connection) => {
          const slot = { acquisition, connection }
          const link = this.#link(slot)
          const { clock, logger } = this.#options
          // Whoever began the job has told of services that ended, or did not live to see it.
          const log = { line: ignore, warning: ignore, progress: ignore, addSecret: ignore }
          return this.#place(
            slot,
            link,
            new ServiceWatch({ link, services: known.services, log, clock, logger }),
            known,
          )
        },
      })
    } catch (error) {
      // The job ends with this, and its containers with the job.
      this.#active.delete(known.attempt)
      this.#sweeper.note(acquisition.instanceId)
      throw error
    }
  }

  sweepLeft(): void {
    this.#sweeper.begin()
  }

  async sweepsEnded(): Promise<void> {
    await Promise.all([this.#sweeps.ended(), this.#sweeper.ended()])
  }

  async #furnish(
    slot: LentSlot,
    link: EngineLink,
    {
      job,
      concurrentId,
      attempt,
      log,
      signal,
    }: {
      readonly job: JobPayload
      readonly concurrentId: number
      readonly attempt: string
      readonly log: PrepareLog
      readonly signal: AbortSignal
    },
  ): Promise<PreparedPlace> {
    const { settings, environmentVariables, buildsDir, cacheDir, logBytes = 100_000_000 } = this.#options
    const plan = planContainers(job, settings, environmentVariables)
    await this.#awaitEngine(link, log, signal)
    this.#sweeper.sweep(slot.acquisition.instanceId, slot.connection)
    const furnished = await furnishJob({
      ...this.#options,
      shells: this.#shells,
      cacheDir,
      logBytes,
      link,
      job,
      plan,
      concurrentId,
      attempt,
      log,
      signal,
    })
    const { shell, image, runsAsUser, helperContainer, mounts, services } = furnished
    const { clock, logger } = this.#options
    const watch = new ServiceWatch({ link, services, log, clock, logger })
    if (plan.debugsServices) watch.copyLogs(await link.engine(signal), services)
    return this.#place(slot, link, watch, {
      attempt,
      image,
      shell,
      buildsDir,
      concurrentId,
      opensFiles: runsAsUser,
      sharesBuilds: mounts.sharesBuilds,
      helperContainer,
      services: services.map(({ id, title }) => ({ id, title })),
      starts: [],
    })
  }

  /** Waits for an Engine that may be starting. */
  async #awaitEngine(link: EngineLink, log: PrepareLog, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    let last: EngineError | undefined
    const why = (): string => last?.message ?? `no Engine answered within ${engineStartMs / 1000} s`
    const late = (): Error => new EnvironmentError('failed', why(), { cause: last })
    using limit = deadline(clock, engineStartMs, late, signal)
    for (let hasTold = false; ; ) {
      try {
        await link.engine(limit.signal)
        return
      } catch (error) {
        limit.signal.throwIfAborted()
        if (!(error instanceof EngineError) || error.code !== 'unreachable') throw error
        last = error
        if (!hasTold) log.line(`The Engine does not answer yet: ${error.message}`)
        hasTold = true
        // Where the time is over, the next try says so.
        await delay(clock, 1000, limit.signal).catch(() => {})
      }
    }
  }

  #link({ acquisition, connection }: LentSlot): EngineLink {
    const { target, clock, outlives } = this.#options
    const slot = new SlotConnection({ acquisition, connection, isPatient: outlives !== undefined, clock })
    return new EngineLink({ connection: slot, target, clock })
  }

  #place({ acquisition }: LentSlot, link: EngineLink, watch: ServiceWatch, handle: DockerHandle): PreparedPlace {
    const { concurrentIds, outlives, killGraceMs = 10_000, askIntervalMs = 15_000, clock, logger } = this.#options
    const { starts, image, attempt, opensFiles, ...rest } = handle
    const why = acquisition.isForContent ? ', chosen because it has the image' : ''
    const environment = new DockerEnvironment({
      ...rest,
      attempt,
      acquisition,
      link,
      description: `image ${image} on instance ${acquisition.instanceId}, slot ${acquisition.slot}${why}`,
      helper: { shell: 'sh', prepares: 'sources', opensFiles },
      starts,
      handle: outlives === undefined ? undefined : handle,
      killGraceMs,
      reconnectGraceMs: outlives?.reconnectGraceMs ?? 0,
      askIntervalMs,
      clock,
      logger,
    })
    return new LentPlace({
      acquisition,
      environment,
      concurrentIds,
      sweeps: this.#sweeps,
      leave: () => watch.end(),
      wipe: () => this.#remove(acquisition.instanceId, link, attempt),
    })
  }

  /** Removes, soon, all that was made for an attempt. */
  #remove(instanceId: string, link: EngineLink, attempt: string): void {
    this.#active.delete(attempt)
    this.#sweeps.add(this.#removeNow(instanceId, link, attempt))
  }

  async #removeNow(instanceId: string, link: EngineLink, attempt: string): Promise<void> {
    const { clock, logger, settings } = this.#options
    using limit = deadline(clock, removeLimitMs, () => new Error(`no end within ${removeLimitMs / 1000} s`))
    try {
      const engine = await link.engine(limit.signal)
      await removeAttempt(engine, attempt, { keepsVolumes: settings.volumeKeep, clock, signal: limit.signal })
    } catch (error) {
      // Where the instance goes, so do they.
      this.#sweeper.note(instanceId)
      logger.debug(
        { instance: instanceId, attempt, err: error },
        'containers of a job that is over may be left on an Engine',
      )
    } finally {
      link.close()
    }
  }
}
