import { randomBytes } from 'node:crypto'
import { type Connection, silentLogger, systemClock } from '@runner-core/fleeting'
import type { ShellName } from '@runner-core/job'
import {
  type Admitted,
  type ConcurrentIds,
  type JobExecutor,
  LeftPlaces,
  LentPlace,
  PlaceFinder,
  type PlaceFinderOptions,
  type PreparedPlace,
  type PrepareOptions,
  Sweeps,
} from '@runner-core/runner-executor'
import type { Acquisition, Reservation } from '@runner-core/taskscaler'
import { jobMarkerName } from './cleanup/sweep-slots.ts'
import { WipeQueue } from './cleanup/wipe-queue.ts'
import type { DetachOptions } from './commands/detached-run.ts'
import { OutputRelays } from './commands/output-relays.ts'
import { type EnvironmentHandle, InstanceEnvironment } from './instance-environment.ts'
import type { LoginMemory } from './login/known-login.ts'
import { LoginGuard, type Trust } from './login/login-guard.ts'
import type { SlotClaims } from './slots/slot-claims.ts'
import { SpaceLooks } from './slots/space-looks.ts'

export interface InstanceExecutorOptions extends PlaceFinderOptions {
  readonly shell: ShellName
  /** Where builds go on an instance: absolute, or relative to the login's home. */
  readonly buildsDir: string
  /** Shared by all executors of the process. */
  readonly concurrentIds: ConcurrentIds
  /** How long a job's processes have from `TERM` to `KILL`, milliseconds. Default 10,000. */
  readonly killGraceMs?: number
  /** Lets scripts outlive their connection. Default: a script ends with it. */
  readonly detach?: DetachOptions | undefined
  /** What the jobs claim on their machines, so that none starts beside what another one left. Default: nothing. */
  readonly claims?: SlotClaims | undefined
  /**
   * Whose jobs may follow each other on an instance: of all projects, with what one left kept from the next as far as
   * one login allows (`docs/security.md`), or of one `project`. `none`: the caller sees to it that an instance serves
   * one job.
   * @defaultValue `all`
   */
  readonly trust?: Trust
  /** Default: another process knows nothing of what instances were like before their jobs. */
  readonly logins?: LoginMemory | undefined
  /**
   * Room that a job must find on its machine, bytes; where there is less it begins on another. Default 0: nobody looks.
   */
  readonly minFreeBytes?: number
  /** Makes a job's marker: unique, of letters and digits. Default: 96 random bits. */
  readonly createJobMarker?: () => string
}

type FinderOption = 'scaler' | 'acquireTimeoutMs' | 'connectTimeoutMs'

/** A job that has its slot and its connection. */
interface PlacedJob extends Partial<Pick<EnvironmentHandle, 'shell' | 'buildsDir' | 'concurrentId'>> {
  readonly project?: string | undefined
  /** Its value. */
  readonly jobMarker: string
  readonly hasOwnHome: boolean
  readonly guardsLogin: boolean
}

/** Runs jobs on autoscaled instances: gets each one a slot with a connection, and gives both back. */
export class InstanceExecutor implements JobExecutor {
  /** What this executor adds to what is told to GitLab. */
  static readonly features: readonly string[] = ['shared']
  readonly supports: readonly string[] = []
  readonly #options: Required<Omit<InstanceExecutorOptions, FinderOption>>
  readonly #finder: PlaceFinder
  readonly #left: LeftPlaces
  readonly #sweeps = new Sweeps()
  readonly #wipes: WipeQueue
  readonly #relays: OutputRelays
  readonly #spaceLooks: SpaceLooks
  readonly #loginPrints = new WeakMap<Connection, string>()
  readonly #logins: LoginGuard

  constructor(options: InstanceExecutorOptions) {
    this.#options = {
      killGraceMs: 10_000,
      clock: systemClock,
      logger: silentLogger,
      createJobMarker: () => randomBytes(12).toString('hex'),
      detach: undefined,
      claims: undefined,
      minFreeBytes: 0,
      trust: 'all',
      logins: undefined,
      ...options,
    }
    this.#finder = new PlaceFinder(options)
    this.#left = new LeftPlaces(this.#options)
    this.#wipes = new WipeQueue(this.#options)
    this.#logins = new LoginGuard(this.#options)
    this.#relays = new OutputRelays(this.#options.clock)
    this.#spaceLooks = new SpaceLooks(this.#options)
  }

  async prepare(reservation: Reservation | undefined, { project, ...options }: PrepareOptions): Promise<PreparedPlace> {
    return await this.#finder.find(reservation, {
      ...options,
      label: this.#options.trust === 'project' ? project : undefined,
      admit: (acquisition, connection, signal) => this.#admit(acquisition, connection, project, signal),
    })
  }

  async sweepsEnded(): Promise<void> {
    await this.#sweeps.ended()
    await Promise.all([this.#wipes.flush(), this.#relays.ended(), this.#logins.looked()])
  }

  async #admit(
    acquisition: Acquisition,
    connection: Connection,
    project: string | undefined,
    signal: AbortSignal,
  ): Promise<Admitted<PreparedPlace>> {
    const { instanceId, useCount } = acquisition
    const jobMarker = this.#options.createJobMarker()
    const admission =
      project === undefined
        ? { hasOwnHome: false, guardsLogin: false }
        : await this.#logins.admit({ instanceId, connection, project, marker: jobMarker, useCount }, signal)
    if (!('refused' in admission))
      return { place: this.#prepared(acquisition, connection, { project, jobMarker, ...admission }) }
    const { refused: reason } = admission
    return {
      refused: {
        reason,
        message: 'an instance does not serve jobs of another project',
        line: `Instance ${instanceId} served another project: ${reason}. Moving to another one.`,
      },
    }
  }

  /** Keeps the number of the job's build directory. */
  hold(handle: unknown): void {
    const known = parseHandle(handle)
    if (known !== undefined) this.#left.hold(known.concurrentId)
  }

  async resume(acquisition: Acquisition, handle: unknown): Promise<PreparedPlace> {
    const { detach, claims } = this.#options
    const known = parseHandle(handle)
    if (known === undefined || detach === undefined) return await this.#left.giveUp(acquisition, 'it was not detached')
    const { concurrentId, jobMarker, project, hasOwnHome } = known
    claims?.begin(jobMarker)
    const place = (connection: Connection): PreparedPlace => {
      const { instanceId } = acquisition
      if (project !== undefined) this.#logins.resume({ instanceId, connection, project, marker: jobMarker }, hasOwnHome)
      return this.#prepared(acquisition, connection, known)
    }
    try {
      const { reconnectGraceMs } = detach
      return await this.#left.resume(acquisition, { concurrentId, reconnectGraceMs, place })
    } catch (error) {
      claims?.end(jobMarker)
      throw error
    }
  }

  #prepared(acquisition: Acquisition, connection: Connection, job: PlacedJob): PreparedPlace {
    const { concurrentIds, claims } = this.#options
    const { instanceId } = acquisition
    const { project, hasOwnHome } = job
    const concurrentId = job.concurrentId ?? concurrentIds.take()
    const jobMarker = { name: jobMarkerName, value: job.jobMarker }
    claims?.begin(jobMarker.value)
    const environment = new InstanceEnvironment({
      ...this.#options,
      ...job,
      relays: this.#relays,
      spaceLooks: this.#spaceLooks,
      loginPrints: this.#loginPrints,
      acquisition,
      connection,
      concurrentId,
      jobMarker,
    })
    return new LentPlace({
      acquisition,
      environment,
      concurrentIds,
      sweeps: this.#sweeps,
      leave: () => {
        claims?.end(jobMarker.value)
        environment.giveRelayBack()
        if (project === undefined) return Promise.resolve()
        const { connection: last } = environment
        // The next job of the login is admitted after it.
        return this.#logins.leave({ instanceId, connection: last, marker: jobMarker.value }, hasOwnHome)
      },
      wipe: () => {
        this.#wipes.add(instanceId, environment.connection, environment.leftovers)
        environment.forgetOutput()
      },
    })
  }
}

/** Undefined when it is none: it comes from a file that somebody else wrote. */
function parseHandle(value: unknown): EnvironmentHandle | undefined {
  const { shell, jobMarker, buildsDir, concurrentId, project, hasOwnHome, guardsLogin } = (value ?? {}) as Partial<
    Record<keyof EnvironmentHandle, unknown>
  >
  const isHandle =
    (shell === 'bash' || shell === 'sh') &&
    typeof jobMarker === 'string' &&
    /^[A-Za-z0-9]+$/.test(jobMarker) &&
    typeof buildsDir === 'string' &&
    Number.isSafeInteger(concurrentId) &&
    (concurrentId as number) >= 0
  if (!isHandle) return undefined
  const ofProject = typeof project === 'string' ? { project } : {}
  return {
    shell,
    jobMarker,
    buildsDir,
    concurrentId: concurrentId as number,
    ...ofProject,
    hasOwnHome: hasOwnHome === true,
    guardsLogin: guardsLogin === true,
  }
}
