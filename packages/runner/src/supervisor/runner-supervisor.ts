import { type Clock, describeError, type Logger, loggedSeconds, type Random } from '@runner-core/fleeting'
import { GroupOwnedError } from '@runner-core/fleeting/provisioner'
import { FencedError, type FleetOwner, StateError } from '@runner-core/fleeting/state'
import type { JobPayload } from '@runner-core/job'
import type { FindPlugin } from '../config/checks/check-plugins.ts'
import type { RunnerSettings } from '../config/settings.ts'
import { EndOutbox } from '../ends/end-outbox.ts'
import { FleetRecord } from '../explain/fleet-record.ts'
import { RecordFile, readRecord } from '../explain/record-file.ts'
import { type Fleet, type FleetOptions, startFleet } from '../fleet/fleet.ts'
import { GroupTakenError } from '../fleet/group-claims.ts'
import { startAgain } from '../fleet/start-again.ts'
import type { JobApiClient } from '../gitlab/job-api-client.ts'
import { Concurrency } from '../jobs/concurrency.ts'
import { JobPoller } from '../jobs/job-poller.ts'
import type { JobSupervisor } from '../jobs/job-supervisor.ts'
import { takeOverJobs } from '../jobs/take-over-jobs.ts'
import type { FleetObservers, MeasuredFleet } from '../metrics/fleet-metrics.ts'
import type { RunnerLabels } from '../metrics/runner-labels.ts'
import type { MeasuredRunner } from '../metrics/runner-metrics.ts'
import type { KeptEnd } from '../state/kept-end.ts'
import type { FleetState } from '../state/open-fleet-state.ts'
import type { RunnerHealth, RunnerProgress } from '../status/health.ts'
import { type RunnerStatus, runnerStatus } from '../status/manager-status.ts'
import { runningProgress } from '../status/runner-progress.ts'
import { type Departure, FleetDeparture } from './fleet-departure.ts'
import { RunnerLifecycle } from './runner-lifecycle.ts'
import type { RunnerParts } from './runner-parts.ts'

/** `graceful` lets running jobs finish · `fast` ends them and reports them. */
export type StopMode = 'graceful' | 'fast'

export interface StopReport {
  /** Jobs whose end could not be reported in time. */
  readonly unreportedJobs: number
  /** Instances that were to be removed and are not known to be gone. */
  readonly remainingInstances: readonly string[]
}

export interface RunnerSupervisorOptions extends Pick<FleetOptions, 'makeProvisioner' | 'makeScaler' | 'manager'> {
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
  readonly createJobSupervisor: (
    fleet: Fleet,
    record: FleetRecord,
    onSlotFree: () => void,
    ends: EndOutbox,
  ) => JobSupervisor
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Whether no later try can go better. */
function cannotHeal(error: unknown): error is GroupTakenError | StateError | FencedError {
  if (error instanceof GroupTakenError || error instanceof FencedError) return true
  return error instanceof StateError && ['corrupt', 'newer_schema', 'wrong_key', 'gone'].includes(error.code)
}

/** One `[[runners]]` entry at work: its fleet, and the poller that takes jobs for it. */
export class RunnerSupervisor {
  readonly #options: RunnerSupervisorOptions
  readonly #limit: Concurrency
  readonly #recordFile: RecordFile | undefined
  /** What was decided about the fleet, and what became of its jobs. */
  readonly record: FleetRecord
  readonly #lifecycle = new RunnerLifecycle()
  readonly #parts: RunnerParts = { takenOver: [] }
  readonly #departure: FleetDeparture
  readonly #startSignal = new AbortController()
  readonly #started: Promise<void>
  /** Why its fleet has not started yet. */
  #startError: Error | undefined
  #stopping: Promise<StopReport> | undefined
  #isHastened = false
  /** Of a stop, with ends that cannot be told. */
  readonly #patience = new AbortController()

  /**
   * Starts at once, and again until it succeeds or no try can: a fleet that does not start is no reason for others not
   * to.
   */
  constructor(options: RunnerSupervisorOptions) {
    this.#options = options
    this.#limit = new Concurrency(options.settings.limit)
    const { recordDirectory: directory, redact, clock, logger } = options
    this.#recordFile = directory === undefined ? undefined : new RecordFile({ directory, clock, logger })
    this.record = new FleetRecord({ clock, redact, sink: this.#recordFile })
    this.#departure = new FleetDeparture({
      lifecycle: this.#lifecycle,
      parts: this.#parts,
      recordFile: this.#recordFile,
      cancelStart: (reason) => this.#startSignal.abort(reason),
      close: () => options.client.close(),
      clock,
      logger,
    })
    this.#started = this.#start()
  }

  /** Resolves once another process has the fleet, and nothing is done for it here any more. */
  get departed(): Promise<Departure> {
    return this.#departure.departed
  }

  get progress(): RunnerProgress {
    const { name, autoscaler } = this.#options.settings
    const { running } = this.#parts
    if (this.#lifecycle.rules.isGone) return { name, hasDeparted: true }
    if (running === undefined) return { name, ...(this.#startError && { startError: describeError(this.#startError) }) }
    return { name, running: runningProgress(running.fleet, running.poller, autoscaler.updateIntervalMs) }
  }

  get name(): string {
    return this.#options.settings.name
  }

  /** What `/status` shows of this runner; `health` is its own. */
  status(health: RunnerHealth): RunnerStatus {
    const { settings, clock } = this.#options
    return runnerStatus(settings, health, this.#parts.running?.fleet, this.record, clock)
  }

  get measured(): MeasuredRunner {
    const { settings, labels } = this.#options
    const { limit, requestConcurrency } = settings
    const { ends, running } = this.#parts
    return {
      labels,
      limit,
      requestConcurrency,
      ...(ends && { ends: { count: ends.count, oldestMs: ends.oldestMs } }),
      ...(running && { poller: running.poller, jobs: running.supervisor.counts }),
    }
  }

  /**
   * Jobs that were taken and whose end GitLab has not been told: those under way, those whose end waits to be told, and
   * those given up.
   */
  get unreportedJobs(): number {
    return (this.#parts.running?.supervisor.counts.active.length ?? 0) + (this.#parts.ends?.untold ?? 0)
  }

  /** Absent until the fleet has started. */
  get measuredFleet(): MeasuredFleet | undefined {
    const { settings, labels } = this.#options
    const { capacityPerInstance, maxUseCount } = settings.autoscaler
    const { running } = this.#parts
    if (running === undefined) return undefined
    const { provisioner, scaler, state } = running.fleet
    const unwrittenSince = state?.lease.trouble?.since
    const unwrittenMs = unwrittenSince === undefined ? 0 : this.#options.clock.now() - unwrittenSince
    return {
      labels,
      provisioner,
      scaler,
      capacityPerInstance,
      maxUseCount,
      ...(state !== undefined && { unwrittenMs }),
    }
  }

  /**
   * Takes no more jobs, ends or awaits those that run, and gives the fleet back. A second call hastens the stop that is
   * under way; both get its report.
   */
  stop(mode: StopMode): Promise<StopReport> {
    this.#stopping ??= this.#stop()
    if (mode === 'fast') this.#hasten()
    return this.#stopping
  }

  async #start(): Promise<void> {
    const { clock, random, logger, observers } = this.#options
    const { signal } = this.#startSignal
    const recorded = { ...observers, taskscaler: { ...observers.taskscaler, decided: this.record.decided } }
    const tries = {
      clock,
      random,
      signal,
      isFinal: cannotHeal,
      onFailure: (error: Error, waitMs: number): void => {
        this.#startError = error
        logger.error({ error, wait_seconds: loggedSeconds(waitMs) }, 'fleet does not start, trying again')
      },
    }
    try {
      const state = await startAgain(() => this.#options.openState(signal, (owner) => this.#wait(owner)), tries)
      await this.#begin(state)
      const options = { ...this.#options, state, runner: this.#options.settings, freePlaces: () => this.#freePlaces() }
      const fleet = await startAgain(() => startFleet({ ...options, observers: recorded }, signal), tries)
      if (!this.#lifecycle.rules.ownsFleet) {
        await fleet.scaler.shutdown({ removeInstances: false })
        return
      }
      this.#startError = undefined
      // A stop that came meanwhile gives back what has started.
      this.#lifecycle.enter('running')
      this.#run(fleet)
    } catch (error) {
      if (signal.aborted) return
      if (!cannotHeal(error)) throw error
      if (error instanceof FencedError) return this.#departure.lose(error)
      this.#startError = error
      this.#lifecycle.enter('failed')
      logger.error({ error }, 'fleet cannot start: it stays as it is until this is mended')
    }
  }

  /** What earlier processes left to tell is told whether the fleet starts or not. */
  async #begin(state: FleetState | undefined): Promise<void> {
    const { client, clock, random, logger } = this.#options
    const ends = new EndOutbox({ client, journal: state?.jobs, tails: state?.tails, clock, random, logger })
    this.#parts.state = state
    this.#parts.ends = ends
    if (state === undefined) return
    const { lease, left } = state
    for (const { payload, end } of left) if (end !== undefined) ends.restore(payload, end as unknown as KeptEnd)
    whenAborted(lease.lost, () => this.#departure.lose(lease.lost.reason))
    whenAborted(lease.wanted, () => void this.#departure.handOver())
    await this.#remember()
  }

  /**
   * What was decided before, once the fleet is ours. Without it there is less to explain, and nothing else is missing.
   */
  async #remember(): Promise<void> {
    const { recordDirectory, logger } = this.#options
    if (recordDirectory === undefined) return
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

  #run(fleet: Fleet): void {
    const { settings, checkIntervalMs, client, concurrent, mayPark, createJobSupervisor, clock, logger } = this.#options
    this.record.watch(fleet.provisioner)
    const supervisor = createJobSupervisor(fleet, this.record, () => poller.noteCapacity(), this.#parts.ends!)
    this.#takeOver(fleet, supervisor)
    supervisor.sweepLeft()
    const poller: JobPoller<JobPayload> = new JobPoller<JobPayload>({
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
      work: (job, reservation) => supervisor.run(job, reservation),
      clock,
      logger,
    })
    const running = { fleet, poller, supervisor }
    this.#parts.running = running
    fleet.provisioner.onChange(() => {
      const { fenced } = fleet.provisioner
      if (fenced instanceof GroupOwnedError) void this.#departure.loseGroup(fenced, running)
    })
    const lease = fleet.state?.lease
    if (lease === undefined) return
    lease.onChange(() => {
      // What a request brings now could not be kept, and so not begun.
      if (lease.trouble !== undefined) poller.cutParked()
    })
  }

  #takeOver({ state, scaler }: Fleet, supervisor: JobSupervisor): void {
    if (state === undefined) return
    const { concurrent, logger } = this.#options
    const { left } = state
    const taken = takeOverJobs({ left, scaler, supervisor, ends: this.#parts.ends!, logger })
    // They are among those that may run at once, as they were before.
    const bounds = [concurrent, this.#limit]
    this.#parts.takenOver = taken.map(async (end) => {
      for (const bound of bounds) bound.occupy()
      await end
      for (const bound of bounds) bound.release()
    })
  }

  #freePlaces(): number {
    return Math.max(0, Math.min(this.#limit.free, this.#options.concurrent.free))
  }

  async #stop(): Promise<StopReport> {
    this.#lifecycle.enter('stopping')
    this.#startSignal.abort(new Error('the runner stops'))
    await this.#started
    const parts = this.#parts
    await parts.running?.poller.stop()
    if (!this.#lifecycle.enter('returning')) {
      await this.departed
      return { unreportedJobs: 0, remainingInstances: [] }
    }
    await Promise.all(parts.takenOver)
    // Until then the machines of those jobs are in use, and would stay.
    await Promise.all([parts.running?.supervisor.sweepsEnded(), this.#tellEnds()])
    const { deleteInstancesOnShutdown, shutdownDeletionIntervalMs, shutdownDeletionRetries } =
      this.#options.settings.autoscaler
    const shutdown = await parts.running?.fleet.scaler.shutdown({
      removeInstances: deleteInstancesOnShutdown,
      timeoutMs: shutdownDeletionIntervalMs * shutdownDeletionRetries,
    })
    await parts.state?.close()
    await this.#options.client.close()
    await this.#recordFile?.flush()
    this.#lifecycle.enter('stopped')
    return { unreportedJobs: parts.ends?.untold ?? 0, remainingInstances: shutdown?.remaining ?? [] }
  }

  /** As long as a stop may take: what is left then is in the state, where one is kept. */
  async #tellEnds(): Promise<void> {
    const { clock, shutdownTimeoutMs } = this.#options
    const cancel = clock.after(shutdownTimeoutMs, () =>
      this.#patience.abort(new Error('the runner does not wait any longer')),
    )
    await this.#parts.ends?.stop(this.#patience.signal)
    cancel()
  }

  #hasten(): void {
    if (this.#isHastened) return
    this.#isHastened = true
    const { clock, shutdownTimeoutMs } = this.#options
    this.#parts.running?.supervisor.interrupt()
    const cancel = clock.after(shutdownTimeoutMs, () => {
      this.#parts.running?.supervisor.abandon()
      this.#patience.abort(new Error('the runner does not wait any longer'))
    })
    void this.#stopping?.finally(cancel)
  }
}

function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}
