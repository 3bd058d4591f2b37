import {
  type Clock,
  delay,
  describeError,
  FencedError,
  type FleetOwner,
  GroupOwnedError,
  type Logger,
  loggedSeconds,
  type Random,
  StateError,
} from '@runner-core/fleeting'
import type { JobPayload } from '@runner-core/job'
import { Concurrency } from './concurrency.ts'
import type { FindPlugin } from './config/check-plugins.ts'
import type { RunnerSettings } from './config/settings.ts'
import { FleetRecord } from './explain/fleet-record.ts'
import { RecordFile, readRecord } from './explain/record-file.ts'
import { type Fleet, type FleetOptions, startFleet } from './fleet/fleet.ts'
import { GroupTakenError } from './fleet/group-claims.ts'
import { startAgain } from './fleet/start-again.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import type { JobHandler } from './job-handler.ts'
import { JobLoop } from './job-loop.ts'
import type { FleetObservers, MeasuredFleet } from './metrics/fleet-metrics.ts'
import type { RunnerLabels } from './metrics/runner-labels.ts'
import type { MeasuredRunner } from './metrics/runner-metrics.ts'
import type { FleetState } from './state/open-fleet-state.ts'
import { takeOverJobs } from './state/take-over-jobs.ts'
import type { RunnerHealth, RunnerProgress } from './status/health.ts'
import { type RunnerStatus, runnerStatus } from './status/manager-status.ts'

/** `graceful` lets running jobs finish · `fast` ends them and reports them. */
export type StopMode = 'graceful' | 'fast'

export interface StopReport {
  /** Jobs whose end could not be reported in time. */
  readonly unreportedJobs: number
  /** Instances that were to be removed and are not known to be gone. */
  readonly remainingInstances: readonly string[]
}

/** How a fleet came to be another process's: `handed over` to one that asked for it · `lost` to one that took it. */
export type Departure = 'handed over' | 'lost'

/** How long it may take before the fleet is handed over to report jobs that have ended and to clean up after them, milliseconds. */
const mostTellMs = 5_000

export interface ConfiguredRunnerOptions extends Pick<FleetOptions, 'makeProvisioner' | 'makeScaler' | 'manager'> {
  readonly settings: RunnerSettings
  readonly checkIntervalMs: number
  readonly shutdownTimeoutMs: number
  readonly labels: RunnerLabels
  readonly client: JobApiClient
  /** `concurrent`, shared by all runners. */
  readonly concurrent: Concurrency
  /** Whether a request may keep its place while others wait for one. */
  readonly mayPark: () => boolean
  readonly findPlugin: FindPlugin
  readonly observers: FleetObservers
  readonly claimGroup: (groupId: string) => void
  /** Tells this installation from others, the same after a restart; absent: it has no such name. */
  readonly systemId?: string | undefined
  /** Opens what outlives the process, once the fleet is ours alone; undefined: nothing does. */
  readonly openState: (signal: AbortSignal, onWait: (owner: FleetOwner) => void) => Promise<FleetState | undefined>
  /** Where the record of decisions is kept; absent: in memory only. */
  readonly recordDirectory?: string | undefined
  /** Hides secrets in texts for people. */
  readonly redact: (text: string) => string
  /** `onSlotFree` is called when a job has given its slot back, which is before its end is reported. */
  readonly createHandler: (fleet: Fleet, record: FleetRecord, onSlotFree: () => void) => JobHandler
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

interface Running {
  readonly fleet: Fleet
  readonly loop: JobLoop<JobPayload>
  readonly handler: JobHandler
}

/** Whether no later try can go better. */
function cannotHeal(error: unknown): error is GroupTakenError | StateError | FencedError {
  if (error instanceof GroupTakenError || error instanceof FencedError) return true
  return error instanceof StateError && ['corrupt', 'newer_schema', 'wrong_key', 'gone'].includes(error.code)
}

/** One `[[runners]]` entry at work: its fleet, and the loop that takes jobs for it. */
export class ConfiguredRunner {
  readonly #options: ConfiguredRunnerOptions
  readonly #limit: Concurrency
  readonly #recordFile: RecordFile | undefined
  #hasRemembered = false
  /** What was decided about the fleet, and what became of its jobs. */
  readonly record: FleetRecord
  readonly #startSignal = new AbortController()
  readonly #started: Promise<void>
  #startError: Error | undefined
  #running: Running | undefined
  #stopping: Promise<StopReport> | undefined
  /** Jobs of an earlier process that go on, or are being reported. */
  #takenOver: readonly Promise<void>[] = []
  readonly #reports = new AbortController()
  #isHastened = false
  /** The instances are being shut down, removed perhaps: then it is too late to hand them over. */
  #isGivenBack = false
  /** Resolves once another process has the fleet, and nothing is done for it here any more. */
  readonly departed: Promise<Departure>
  #resolveDeparted = (_how: Departure): void => {}
  #handingOver: Promise<void> | undefined
  #departing: Promise<void> | undefined

  /** Starts at once, and again until it succeeds or no try can: a fleet that does not start is no reason for others not to. */
  constructor(options: ConfiguredRunnerOptions) {
    this.#options = options
    this.#limit = new Concurrency(options.settings.limit)
    const { recordDirectory: directory, redact, clock, logger } = options
    this.#recordFile = directory === undefined ? undefined : new RecordFile({ directory, clock, logger })
    this.record = new FleetRecord({ clock, redact, sink: this.#recordFile })
    this.departed = new Promise((resolve) => {
      this.#resolveDeparted = resolve
    })
    this.#started = this.#start()
  }

  get progress(): RunnerProgress {
    const { name, autoscaler } = this.#options.settings
    if (this.#departing !== undefined) return { name, hasDeparted: true }
    if (this.#running === undefined) return { name, ...(this.#startError && { startError: describeError(this.#startError) }) }
    const { fleet, loop } = this.#running
    const { trouble } = loop
    const { listError, groupTrouble, partTrouble, massDisappearanceSince, missingCount } = fleet.provisioner
    const stateTrouble = fleet.state?.lease.trouble
    return {
      name,
      running: {
        loop: loop.state,
        loopPassedAt: loop.passedAt,
        ...(trouble && { coordinatorTrouble: { since: trouble.since, error: describeError(trouble.error) } }),
        scalerPassedAt: fleet.scaler.status().passedAt,
        listedAt: fleet.provisioner.listedAt,
        ...(listError && { listError: describeError(listError) }),
        ...(groupTrouble !== undefined && { groupTrouble }),
        ...(partTrouble !== undefined && { partTrouble }),
        ...(massDisappearanceSince !== undefined && { massDisappearance: { since: massDisappearanceSince, missing: missingCount } }),
        ...(stateTrouble && { stateTrouble: { since: stateTrouble.since, error: describeError(stateTrouble.error) } }),
        updateIntervalMs: autoscaler.updateIntervalMs,
      },
    }
  }

  get name(): string {
    return this.#options.settings.name
  }

  /** What `/status` shows of this runner; `health` is its own. */
  status(health: RunnerHealth): RunnerStatus {
    const { settings, clock } = this.#options
    return runnerStatus(settings, health, this.#running?.fleet, this.record, clock)
  }

  get measured(): MeasuredRunner {
    const { settings, labels } = this.#options
    const { limit, requestConcurrency } = settings
    const running = this.#running && { loop: this.#running.loop, jobs: this.#running.handler.counts }
    return { labels, limit, requestConcurrency, ...running }
  }

  /** Jobs that were taken and whose end GitLab has not been told: those under way, and those given up. */
  get unreportedJobs(): number {
    if (this.#running === undefined) return 0
    const { counts, unreportedJobs } = this.#running.handler
    return counts.active.length + unreportedJobs
  }

  /** Absent until the fleet has started. */
  get measuredFleet(): MeasuredFleet | undefined {
    const { settings, labels } = this.#options
    const { capacityPerInstance, maxUseCount } = settings.autoscaler
    if (this.#running === undefined) return undefined
    const { provisioner, scaler, state } = this.#running.fleet
    const unwrittenSince = state?.lease.trouble?.since
    const unwrittenMs = unwrittenSince === undefined ? 0 : this.#options.clock.now() - unwrittenSince
    return { labels, provisioner, scaler, capacityPerInstance, maxUseCount, ...(state !== undefined && { unwrittenMs }) }
  }

  /** Takes no more jobs, ends or awaits those that run, and gives the fleet back. A second call hastens the stop that is under way; both get its report. */
  stop(mode: StopMode): Promise<StopReport> {
    this.#stopping ??= this.#stop()
    if (mode === 'fast') this.#hasten()
    return this.#stopping
  }

  async #start(): Promise<void> {
    const { clock, random, logger, observers } = this.#options
    const { signal } = this.#startSignal
    const recorded = { ...observers, taskscaler: { ...observers.taskscaler, decided: this.record.decided } }
    try {
      const fleet = await startAgain(
        async () => {
          const state = await this.#options.openState(signal, (owner) => this.#wait(owner))
          if (state !== undefined) await this.#remember()
          const options = { ...this.#options, state, runner: this.#options.settings, freePlaces: () => this.#freePlaces() }
          return startFleet({ ...options, observers: recorded }, signal)
        },
        {
          clock,
          random,
          signal,
          isFinal: cannotHeal,
          onFailure: (error, waitMs) => {
            this.#startError = error
            logger.error({ error, wait_seconds: loggedSeconds(waitMs) }, 'fleet does not start, trying again')
          },
        },
      )
      this.#startError = undefined
      this.#run(fleet)
    } catch (error) {
      if (signal.aborted) return
      if (!cannotHeal(error)) throw error
      if (error instanceof FencedError) return this.#lose(error)
      this.#startError = error
      logger.error({ error }, 'fleet cannot start: it stays as it is until this is mended')
    }
  }

  /** What was decided before, once the fleet is ours. Without it there is less to explain, and nothing else is missing. */
  async #remember(): Promise<void> {
    const { recordDirectory, logger } = this.#options
    if (recordDirectory === undefined || this.#hasRemembered) return
    this.#hasRemembered = true
    try {
      this.record.restore(await readRecord(recordDirectory))
    } catch (error) {
      logger.warn({ error, path: recordDirectory }, 'earlier decisions cannot be read')
    }
  }

  #wait({ name, waitedMs }: FleetOwner): void {
    const message = `the fleet belongs to ${name}`
    this.#startError = new Error(message)
    this.#options.logger.warn({ waited_seconds: loggedSeconds(waitedMs) }, `waiting: ${message}`)
  }

  /** Another process has taken the fleet, and with it its jobs, or what is kept about both is gone: nothing more is taken, removed or reported here. */
  #lose(error: Error): void {
    const how = error.cause === undefined ? 'another process took the fleet over' : 'the state of the fleet is gone'
    this.#options.logger.error({ error }, `${how}: this one takes no more jobs for it`)
    void this.#depart('lost')
  }

  /** Another process asks for the fleet: it gets it with the jobs as they run, or wait. Those that have ended are told here: they have no slot any more with which another process could go on. */
  async #handOver({ fleet, loop, handler }: Running): Promise<void> {
    const { clock, logger } = this.#options
    if (this.#isGivenBack) return
    logger.info({}, 'another process asks for the fleet: it is handed over')
    await loop.stopAsking()
    this.#reports.abort(new Error('another process gets the fleet'))
    handler.leave({ atOnce: false })
    const patience = new AbortController()
    const told = Promise.all([loop.stop(), ...this.#takenOver]).then(() => handler.sweepsEnded())
    await Promise.race([told, delay(clock, mostTellMs, patience.signal).catch(() => {})])
    patience.abort()
    await this.#recordFile?.flush()
    if (this.#departing !== undefined) return
    fleet.state?.lease.freeze()
    await this.#depart('handed over')
  }

  #depart(how: Departure): Promise<void> {
    this.#departing ??= this.#leave(how)
    return this.#departing
  }

  async #leave(how: Departure): Promise<void> {
    this.#recordFile?.close()
    this.#reports.abort(new Error('another process has the fleet'))
    const running = this.#running
    void running?.loop.stop()
    running?.handler.leave({ atOnce: true })
    await running?.fleet.scaler.shutdown({ removeInstances: false })
    await running?.fleet.state?.close()
    await this.#options.client.close()
    this.#running = undefined
    this.#resolveDeparted(how)
  }

  #run(fleet: Fleet): void {
    const { settings, checkIntervalMs, client, concurrent, mayPark, createHandler, clock, logger } = this.#options
    this.record.watch(fleet.provisioner)
    const handler = createHandler(fleet, this.record, () => loop.noteCapacity())
    this.#takeOver(fleet, handler)
    const loop: JobLoop<JobPayload> = new JobLoop<JobPayload>({
      rules: { ...settings, checkIntervalMs },
      bounds: [concurrent, this.#limit],
      reserve: () => fleet.scaler.reserve({ speculative: true }),
      onCapacity: (wake) => fleet.scaler.onChange(wake),
      ask: async (request) => {
        const answer = await client.requestJob(request)
        if (answer.result === 'none') fleet.queue.set(0)
        // One job that nobody can understand says nothing against the next one.
        return answer.result === 'failed' && answer.error.code === 'invalid_job' ? { result: 'conflict' } : answer
      },
      mayPark,
      work: (job, reservation) => handler.run(job, reservation),
      clock,
      logger,
    })
    const running = { fleet, loop, handler }
    this.#running = running
    fleet.provisioner.onChange(() => {
      const { fenced } = fleet.provisioner
      if (fenced instanceof GroupOwnedError) this.#lose(fenced)
    })
    const lease = fleet.state?.lease
    if (lease === undefined) return
    lease.onChange(() => {
      // What a request brings now could not be kept, and so not begun.
      if (lease.trouble !== undefined) loop.cutParked()
    })
    whenAborted(lease.lost, () => this.#lose(lease.lost.reason))
    whenAborted(lease.wanted, () => {
      this.#handingOver = this.#handOver(running)
    })
  }

  #takeOver({ state, scaler }: Fleet, handler: JobHandler): void {
    if (state === undefined) return
    const { settings, concurrent, client, clock, random, logger } = this.#options
    const { finalUpdateRetryLimit } = settings
    const { signal } = this.#reports
    const { jobs, left } = state
    const ends = takeOverJobs({
      left,
      jobs,
      scaler,
      handler,
      client,
      finalUpdateRetryLimit,
      clock,
      random,
      logger,
      signal,
    })
    // They are among those that may run at once, as they were before.
    const bounds = [concurrent, this.#limit]
    this.#takenOver = ends.map(async (end) => {
      for (const bound of bounds) bound.occupy()
      await end
      for (const bound of bounds) bound.release()
    })
  }

  #freePlaces(): number {
    return Math.max(0, Math.min(this.#limit.free, this.#options.concurrent.free))
  }

  async #stop(): Promise<StopReport> {
    this.#startSignal.abort(new Error('the runner stops'))
    await this.#started
    const { settings, client } = this.#options
    const { deleteInstancesOnShutdown, shutdownDeletionIntervalMs, shutdownDeletionRetries } = settings.autoscaler
    await this.#running?.loop.stop()
    await this.#handingOver
    if (this.#departing !== undefined) {
      await this.#departing
      return { unreportedJobs: 0, remainingInstances: [] }
    }
    this.#isGivenBack = true
    this.#reports.abort(new Error('the runner stops'))
    await Promise.all(this.#takenOver)
    // Until then the machines of those jobs are in use, and would stay.
    await this.#running?.handler.sweepsEnded()
    const shutdown = await this.#running?.fleet.scaler.shutdown({
      removeInstances: deleteInstancesOnShutdown,
      timeoutMs: shutdownDeletionIntervalMs * shutdownDeletionRetries,
    })
    await this.#running?.fleet.state?.close()
    await client.close()
    await this.#recordFile?.flush()
    return { unreportedJobs: this.#running?.handler.unreportedJobs ?? 0, remainingInstances: shutdown?.remaining ?? [] }
  }

  #hasten(): void {
    if (this.#isHastened) return
    this.#isHastened = true
    const { clock, shutdownTimeoutMs } = this.#options
    this.#running?.handler.interrupt()
    const cancel = clock.after(shutdownTimeoutMs, () => this.#running?.handler.abandon())
    void this.#stopping?.finally(cancel)
  }
}

function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}
