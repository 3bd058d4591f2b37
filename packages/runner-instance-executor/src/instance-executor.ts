import { randomBytes } from 'node:crypto'
import {
  type Clock,
  type Connection,
  ConnectionError,
  deadline,
  delay,
  isGroupError,
  type Logger,
  silentLogger,
  systemClock,
} from '@runner-core/fleeting'
import { EnvironmentError, formatGoDuration, JobError, type ShellName } from '@runner-core/job'
import {
  AcquireBudget,
  type ConcurrentIds,
  connectAgain,
  type JobExecutor,
  judgeDialFailure,
  type PreparedPlace,
  type PrepareOptions,
  WaitLines,
} from '@runner-core/runner-executor'
import {
  type AcquireOptions,
  type Acquisition,
  NoCapacityError,
  type Reservation,
  type Taskscaler,
} from '@runner-core/taskscaler'
import { jobMarkerName } from './cleanup/sweep-slots.ts'
import { WipeQueue } from './cleanup/wipe-queue.ts'
import type { DetachOptions } from './commands/detached-run.ts'
import { OutputRelays } from './commands/output-relays.ts'
import { type EnvironmentHandle, InstanceEnvironment } from './instance-environment.ts'
import type { LoginMemory } from './login/known-login.ts'
import { type Admission, LoginGuard, type Trust } from './login/login-guard.ts'
import type { SlotClaims } from './slots/slot-claims.ts'
import { SpaceLooks } from './slots/space-looks.ts'

export interface InstanceExecutorOptions {
  /** Whose slots jobs run on. */
  readonly scaler: Pick<Taskscaler, 'acquire' | 'explainWait' | 'onChange' | 'reserve'>
  readonly shell: ShellName
  /** Where builds go on an instance: absolute, or relative to the login's home. */
  readonly buildsDir: string
  /** Shared by all executors of the process. */
  readonly concurrentIds: ConcurrentIds
  /** How long a job may wait for a place, milliseconds: one budget for all waits and connects. Default 15 minutes. */
  readonly acquireTimeoutMs?: number
  /**
   * How long it may take to connect to an instance that was proven ready before, milliseconds; then the job takes
   * another, and nobody gets this one until it answers again. Shorter than the connector's own budget, which has to
   * outlast a boot; long enough for a busy machine, and for a slot to share another's connection. Default 30,000; half
   * of `acquireTimeoutMs` at most.
   */
  readonly connectTimeoutMs?: number
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
  readonly clock?: Clock
  readonly logger?: Logger
  /** Makes a job's marker: unique, of letters and digits. Default: 96 random bits. */
  readonly createJobMarker?: () => string
}

/** A job that has its slot and its connection. */
interface PlacedJob extends Partial<Pick<EnvironmentHandle, 'shell' | 'buildsDir' | 'concurrentId'>> {
  readonly project?: string | undefined
  /** Its value. */
  readonly jobMarker: string
  readonly hasOwnHome: boolean
  readonly guardsLogin: boolean
}

/** Between two tries while the cloud does not say where instances are. */
const cloudPauseMs = 5000

/** Runs jobs on autoscaled instances: gets each one a slot with a connection, and gives both back. */
export class InstanceExecutor implements JobExecutor {
  /** What this executor adds to what is told to GitLab. */
  static readonly features: readonly string[] = ['shared']
  readonly #options: Required<InstanceExecutorOptions>
  readonly #sweeps = new Set<Promise<void>>()
  readonly #wipes: WipeQueue
  readonly #relays: OutputRelays
  readonly #spaceLooks: SpaceLooks
  /** Numbers of build directories whose jobs were left and are not resumed yet. */
  readonly #held = new Set<number>()
  readonly #loginPrints = new WeakMap<Connection, string>()
  readonly #logins: LoginGuard

  constructor(options: InstanceExecutorOptions) {
    const { acquireTimeoutMs = 900_000, connectTimeoutMs = 30_000 } = options
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
      acquireTimeoutMs,
      connectTimeoutMs: Math.min(connectTimeoutMs, acquireTimeoutMs / 2),
    }
    this.#wipes = new WipeQueue(this.#options)
    this.#logins = new LoginGuard(this.#options)
    this.#relays = new OutputRelays(this.#options.clock)
    this.#spaceLooks = new SpaceLooks(this.#options)
  }

  async prepare(
    reservation: Reservation | undefined,
    { report, signal, project, again = false }: PrepareOptions,
  ): Promise<PreparedPlace> {
    const { acquireTimeoutMs, clock, logger } = this.#options
    let why = (): string => ''
    using budget = new AcquireBudget({
      clock,
      limitMs: acquireTimeoutMs,
      timedOut: () =>
        new EnvironmentError('failed', `no place for the job within ${formatGoDuration(acquireTimeoutMs)}: ${why()}`),
      parent: signal,
    })
    const wait = (explain: () => string): WaitLines => {
      why = explain
      budget.start()
      return new WaitLines({ clock, report, explain })
    }
    let priority = reservation?.priority ?? 0
    const label = this.#options.trust === 'project' ? project : undefined
    // `true` once it has given an instance of another project up: one is enough, and what is launched instead is for
    // this job.
    let labelOnly: AcquireOptions['labelOnly'] = 'if_room'
    let next = again || reservation === undefined ? await this.#reserve(priority, wait, budget.signal) : reservation
    for (; ; next = await this.#reserve(priority, wait, budget.signal)) {
      const acquisition = await this.#acquire(next, { label, labelOnly }, wait, budget.signal)
      why = () => `instance ${acquisition.instanceId} does not answer`
      budget.start()
      try {
        const connection = await this.#connect(acquisition, budget.signal)
        const job = { project, jobMarker: this.#options.createJobMarker() }
        const admission = await this.#admit(acquisition, connection, job, budget.signal)
        if (!('refused' in admission)) return this.#prepared(acquisition, connection, { ...job, ...admission })
        if (label !== undefined) {
          labelOnly = true
          priority = Number.POSITIVE_INFINITY
        }
        acquisition.condemn(admission.refused)
        await acquisition[Symbol.asyncDispose]()
        logger.warn(
          { instance: acquisition.instanceId, reason: admission.refused },
          'an instance serves no job of another project',
        )
        report(`Instance ${acquisition.instanceId} served another project: ${admission.refused}. Taking another one.`)
      } catch (error) {
        const verdict = judgeDialFailure(error)
        if (verdict === 'replace' && !budget.signal.aborted)
          acquisition.condemn(`it cannot be used: ${messageOf(error)}`)
        await acquisition[Symbol.asyncDispose]()
        budget.signal.throwIfAborted()
        logger.warn({ instance: acquisition.instanceId, verdict, err: error }, 'a job could not reach its instance')
        if (verdict === 'hopeless' || verdict === 'unknown')
          throw new EnvironmentError(
            'failed',
            `instance ${acquisition.instanceId} cannot be used: ${messageOf(error)}`,
            { cause: error },
          )
        report(`Instance ${acquisition.instanceId} cannot be used: ${messageOf(error)}. Taking another one.`)
        if (verdict === 'later') await this.#pause(error, budget.signal)
      }
    }
  }

  async sweepsEnded(): Promise<void> {
    while (this.#sweeps.size > 0) await Promise.all(this.#sweeps)
    await Promise.all([this.#wipes.flush(), this.#relays.ended(), this.#logins.looked()])
  }

  async #acquire(
    reservation: Reservation,
    choice: Pick<AcquireOptions, 'label' | 'labelOnly'>,
    wait: (explain: () => string) => WaitLines,
    signal: AbortSignal,
  ): Promise<Acquisition> {
    const { scaler } = this.#options
    let lines: WaitLines | undefined
    const onWait = (): void => {
      lines = wait(() => scaler.explainWait(reservation))
    }
    try {
      return await scaler.acquire(reservation, { ...choice, signal, onWait, onReplanned: () => lines?.tell() })
    } catch (error) {
      throw asInterruption(error)
    } finally {
      lines?.[Symbol.dispose]()
    }
  }

  async #connect(acquisition: Acquisition, signal: AbortSignal): Promise<Connection> {
    const { clock, connectTimeoutMs } = this.#options
    const { instanceId } = acquisition
    const timedOut = (): Error =>
      new ConnectionError('unreachable', `instance ${instanceId}: no connection within ${connectTimeoutMs / 1000} s`)
    using limit = deadline(clock, connectTimeoutMs, timedOut, signal)
    return await acquisition.connect(limit.signal)
  }

  async #admit(
    { instanceId, useCount }: Acquisition,
    connection: Connection,
    { project, jobMarker }: Pick<PlacedJob, 'project' | 'jobMarker'>,
    signal: AbortSignal,
  ): Promise<Admission> {
    if (project === undefined) return { hasOwnHome: false, guardsLogin: false }
    return await this.#logins.admit({ instanceId, connection, project, marker: jobMarker, useCount }, signal)
  }

  /** Claims another slot, or the promise of one, as soon as the scaler has any to give. */
  async #reserve(
    priority: number,
    wait: (explain: () => string) => WaitLines,
    signal: AbortSignal,
  ): Promise<Reservation> {
    const { scaler } = this.#options
    let refusal = ''
    const tryNow = (): Reservation | undefined => {
      try {
        return scaler.reserve({ priority })
      } catch (error) {
        if (!(error instanceof NoCapacityError) || error.reason === 'shutdown') throw asInterruption(error)
        refusal = `waiting for capacity: ${error.message}`
        return undefined
      }
    }
    let reservation = tryNow()
    if (reservation !== undefined) return reservation
    using _lines = wait(() => refusal)
    for (;;) {
      await nextChange(scaler, signal)
      reservation = tryNow()
      if (reservation !== undefined) return reservation
    }
  }

  /** Keeps the number of the job's build directory. */
  hold(handle: unknown): void {
    const known = parseHandle(handle)
    if (known !== undefined && this.#options.concurrentIds.claim(known.concurrentId)) this.#held.add(known.concurrentId)
  }

  async resume(acquisition: Acquisition, handle: unknown): Promise<PreparedPlace> {
    const { clock, detach, claims, concurrentIds } = this.#options
    const known = parseHandle(handle)
    const giveUp = async (why: string, cause?: unknown): Promise<never> => {
      // The job may run on, in its directory: nobody gets the number again.
      acquisition.condemn(`a job that was left on it could not be taken over: ${why}`)
      await acquisition[Symbol.asyncDispose]()
      if (known !== undefined) claims?.end(known.jobMarker)
      throw new EnvironmentError('failed', `the job cannot go on on instance ${acquisition.instanceId}: ${why}`, {
        cause,
      })
    }
    if (known === undefined || detach === undefined) return await giveUp('it was not detached')
    claims?.begin(known.jobMarker)
    if (!this.#held.delete(known.concurrentId) && !concurrentIds.claim(known.concurrentId))
      return await giveUp('another job has its build directory')
    const unreachable = (): Error => new Error(`it could not be reached within ${detach.reconnectGraceMs / 1000} s`)
    try {
      using limit = deadline(clock, detach.reconnectGraceMs, unreachable)
      const connection = await connectAgain(acquisition, clock, limit.signal)
      const { project, jobMarker, hasOwnHome } = known
      if (project !== undefined) {
        this.#logins.resume({ instanceId: acquisition.instanceId, connection, project, marker: jobMarker }, hasOwnHome)
      }
      return this.#prepared(acquisition, connection, known)
    } catch (error) {
      return await giveUp(messageOf(error), error)
    }
  }

  #prepared(acquisition: Acquisition, connection: Connection, job: PlacedJob): PreparedPlace {
    const { concurrentIds, claims } = this.#options
    const { project, hasOwnHome } = job
    const concurrentId = job.concurrentId ?? concurrentIds.take()
    const jobMarker = { name: jobMarkerName, value: job.jobMarker }
    claims?.begin(jobMarker.value)
    const loginPrints = this.#loginPrints
    const environment = new InstanceEnvironment({
      ...this.#options,
      ...job,
      relays: this.#relays,
      spaceLooks: this.#spaceLooks,
      loginPrints,
      acquisition,
      connection,
      concurrentId,
      jobMarker,
    })
    const leave = async (): Promise<void> => {
      if (project === undefined) return
      const { instanceId } = acquisition
      await this.#logins.leave({ instanceId, connection: environment.connection, marker: jobMarker.value }, hasOwnHome)
    }
    const giveBack = async (): Promise<void> => {
      claims?.end(jobMarker.value)
      environment.giveRelayBack()
      concurrentIds.giveBack(concurrentId)
      // Before anybody else can have the slot, so that the next job of the login is admitted after it; the slot does
      // not wait for it.
      this.#track(leave())
      await acquisition[Symbol.asyncDispose]()
    }
    // What is left may go on in the build directory, which other machines may share: then nobody gets its number again.
    const sweep = async (): Promise<void> => {
      if (await environment.sweep()) return await giveBack()
      claims?.end(jobMarker.value)
      environment.giveRelayBack()
      this.#track(leave())
      await acquisition[Symbol.asyncDispose]()
    }
    let isReleased = false
    let sweeping: Promise<void> | undefined
    return {
      instanceId: acquisition.instanceId,
      acquisitionKey: acquisition.key,
      ending: acquisition.ending,
      environment,
      release: async () => {
        if (isReleased) return
        isReleased = true
        if (environment.isUnclean) {
          sweeping = sweep()
          this.#track(sweeping)
        } else await giveBack()
      },
      wipe: () => {
        const wipe = (): void => {
          this.#wipes.add(acquisition.instanceId, environment.connection, environment.leftovers)
          environment.forgetOutput()
        }
        if (sweeping === undefined) wipe()
        else void sweeping.finally(wipe)
      },
    }
  }

  #track(sweep: Promise<void>): void {
    this.#sweeps.add(sweep)
    void sweep.finally(() => this.#sweeps.delete(sweep))
  }

  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    await delay(this.#options.clock, (isGroupError(error) ? error.retryAfterMs : undefined) ?? cloudPauseMs, signal)
  }
}

function nextChange(scaler: Pick<Taskscaler, 'onChange'>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      stop()
      reject(signal.reason)
    }
    const stop = scaler.onChange(() => {
      stop()
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

function asInterruption(error: unknown): unknown {
  if (!(error instanceof NoCapacityError)) return error
  return new JobError('interrupted', 'runner_interrupted', error.message, { cause: error })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
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
