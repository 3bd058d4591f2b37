import { type Clock, describeError, type Logger, loggedSeconds, type Random } from '@runner-core/fleeting'
import { hasParts } from '@runner-core/fleeting/multi'
import { GroupOwnedError } from '@runner-core/fleeting/provisioner'
import { FencedError, type FleetOwner, StateError } from '@runner-core/fleeting/state'
import type { JobPayload } from '@runner-core/job'
import { atMost } from './at-most.ts'
import type { FindPlugin } from './config/checks/check-plugins.ts'
import type { RunnerSettings } from './config/settings.ts'
import { EndOutbox } from './ends/end-outbox.ts'
import { FleetRecord } from './explain/fleet-record.ts'
import { RecordFile, readRecord } from './explain/record-file.ts'
import { type Fleet, type FleetOptions, startFleet } from './fleet/fleet.ts'
import { GroupTakenError } from './fleet/group-claims.ts'
import { startAgain } from './fleet/start-again.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import { Concurrency } from './jobs/concurrency.ts'
import { JobPoller } from './jobs/job-poller.ts'
import type { JobSupervisor } from './jobs/job-supervisor.ts'
import { takeOverJobs } from './jobs/take-over-jobs.ts'
import type { FleetObservers, MeasuredFleet } from './metrics/fleet-metrics.ts'
import type { RunnerLabels } from './metrics/runner-labels.ts'
import type { MeasuredRunner } from './metrics/runner-metrics.ts'
import type { KeptEnd } from './state/kept-end.ts'
import type { FleetState } from './state/open-fleet-state.ts'
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

/**
 * How long it may take before the fleet is handed over, or its group is left to another manager, to report jobs that
 * have ended and to clean up after them, milliseconds.
 */
const maxTellMs = 5_000

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

interface Running {
  readonly fleet: Fleet
  readonly poller: JobPoller<JobPayload>
  readonly supervisor: JobSupervisor
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
  #hasRemembered = false
  /** What was decided about the fleet, and what became of its jobs. */
  readonly record: FleetRecord
  readonly #startSignal = new AbortController()
  readonly #started: Promise<void>
  #startError: Error | undefined
  #state: FleetState | undefined
  /** Absent until it is known whether state is kept. */
  #ends: EndOutbox | undefined
  #running: Running | undefined
  #stopping: Promise<StopReport> | undefined
  /** Jobs of an earlier process that go on. */
  #takenOver: readonly Promise<void>[] = []
  /** Of a stop, with ends that cannot be told. */
  readonly #patience = new AbortController()
  #isHastened = false
  /** The instances are being shut down, removed perhaps: then it is too late to hand them over. */
  #isGivenBack = false
  /** Resolves once another process has the fleet, and nothing is done for it here any more. */
  readonly departed: Promise<Departure>
  #resolveDeparted = (_how: Departure): void => {}
  #handingOver: Promise<void> | undefined
  /** Another manager has our instances. */
  #groupLost = false
  #departing: Promise<void> | undefined

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
    this.departed = new Promise((resolve) => {
      this.#resolveDeparted = resolve
    })
    this.#started = this.#start()
  }

  get progress(): RunnerProgress {
    const { name, autoscaler } = this.#options.settings
    if (this.#departing !== undefined) return { name, hasDeparted: true }
    if (this.#running === undefined)
      return { name, ...(this.#startError && { startError: describeError(this.#startError) }) }
    const { fleet, poller } = this.#running
    const { trouble } = poller
    const { listError, groupTrouble, massDisappearanceSince, missingCount } = fleet.provisioner
    const partTrouble = groupTrouble === undefined && hasParts(fleet.group) ? fleet.group.partTrouble() : undefined
    const stateTrouble = fleet.state?.lease.trouble
    return {
      name,
      running: {
        poller: poller.state,
        pollerPassedAt: poller.passedAt,
        ...(trouble && {
          coordinatorTrouble: {
            since: trouble.since,
            error: describeError(trouble.error),
            ...(trouble.isRefusal && { refusedUntil: poller.pace.nextAt }),
          },
        }),
        scalerPassedAt: fleet.scaler.status().passedAt,
        listedAt: fleet.provisioner.listedAt,
        ...(listError && { listError: describeError(listError) }),
        ...(groupTrouble !== undefined && { groupTrouble }),
        ...(partTrouble !== undefined && { partTrouble }),
        ...(massDisappearanceSince !== undefined && {
          massDisappearance: { since: massDisappearanceSince, missing: missingCount },
        }),
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
    const running = this.#running && { poller: this.#running.poller, jobs: this.#running.supervisor.counts }
    const ends = this.#ends && { count: this.#ends.count, oldestMs: this.#ends.oldestMs }
    return { labels, limit, requestConcurrency, ...(ends && { ends }), ...running }
  }

  /**
   * Jobs that were taken and whose end GitLab has not been told: those under way, those whose end waits to be told, and
   * those given up.
   */
  get unreportedJobs(): number {
    return (this.#running?.supervisor.counts.active.length ?? 0) + (this.#ends?.untold ?? 0)
  }

  /** Absent until the fleet has started. */
  get measuredFleet(): MeasuredFleet | undefined {
    const { settings, labels } = this.#options
    const { capacityPerInstance, maxUseCount } = settings.autoscaler
    if (this.#running === undefined) return undefined
    const { provisioner, scaler, state } = this.#running.fleet
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
      if (this.#handingOver !== undefined || this.#departing !== undefined) {
        await fleet.scaler.shutdown({ removeInstances: false })
        return
      }
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

  /** What earlier processes left to tell is told whether the fleet starts or not. */
  async #begin(state: FleetState | undefined): Promise<void> {
    const { client, clock, random, logger } = this.#options
    this.#state = state
    const ends = new EndOutbox({ client, journal: state?.jobs, tails: state?.tails, clock, random, logger })
    this.#ends = ends
    if (state === undefined) return
    const { lease, left } = state
    for (const { payload, end } of left) if (end !== undefined) ends.restore(payload, end as unknown as KeptEnd)
    whenAborted(lease.lost, () => this.#lose(lease.lost.reason))
    whenAborted(lease.wanted, () => {
      this.#handingOver = this.#handOver()
    })
    await this.#remember()
  }

  /**
   * What was decided before, once the fleet is ours. Without it there is less to explain, and nothing else is missing.
   */
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

  /**
   * Another process has taken the fleet, and with it its jobs, or what is kept about both is gone: nothing more is
   * taken, removed or reported here.
   */
  #lose(error: Error): void {
    if (this.#departing !== undefined) return
    const how = error.cause === undefined ? 'another process took the fleet over' : 'the state of the fleet is gone'
    this.#options.logger.error({ error }, `${how}: this one takes no more jobs for it`)
    void this.#depart('lost')
  }

  /**
   * Another process asks for the fleet: it gets it with the jobs as they run, or wait. Those that have ended are told
   * here: they have no slot any more with which another process could go on.
   */
  async #handOver(): Promise<void> {
    if (this.#isGivenBack) return
    this.#options.logger.info({}, 'another process asks for the fleet: it is handed over')
    this.#startSignal.abort(new Error('another process gets the fleet'))
    const { poller, supervisor } = this.#running ?? {}
    await poller?.stopAsking()
    supervisor?.leave({ atOnce: false })
    await this.#awaitEnds(this.#running)
    await this.#ends?.stop(AbortSignal.abort(new Error('another process gets the fleet')))
    await this.#recordFile?.flush()
    if (this.#departing !== undefined) return
    this.#state?.lease.freeze()
    await this.#depart('handed over')
  }

  /**
   * Another manager has taken the instances. It knows nothing of our jobs: their ends are told here, and those that run
   * are left to the next process with our state, or ended where nobody keeps it.
   */
  async #loseGroup(error: GroupOwnedError, running: Running): Promise<void> {
    const { fleet, poller, supervisor } = running
    if (this.#groupLost || this.#departing !== undefined) return
    this.#groupLost = true
    this.#options.logger.error(
      { error },
      'another manager took the instance group over: this one takes no more jobs for it',
    )
    await poller.stopAsking()
    if (fleet.state === undefined) supervisor.loseInstances()
    else supervisor.leave({ atOnce: false })
    await this.#awaitEnds(running)
    const patience = new AbortController()
    const cancel = this.#options.clock.after(maxTellMs, () =>
      patience.abort(new Error('another manager has the instances')),
    )
    await this.#ends?.stop(patience.signal)
    cancel()
    await this.#recordFile?.flush()
    await this.#depart('lost')
  }

  /**
   * Waits, not for long, until jobs that have ended are reported and cleaned up after, and what is known of them is
   * kept: a mark that stays would count as a death of this process.
   */
  async #awaitEnds({ poller, supervisor }: Partial<Running> = {}): Promise<void> {
    const told = Promise.all([poller?.stop(), ...this.#takenOver])
      .then(() => supervisor?.sweepsEnded())
      .then(() => this.#state?.jobs.settled())
    await atMost(this.#options.clock, maxTellMs, told)
  }

  #depart(how: Departure): Promise<void> {
    if (this.#departing !== undefined) return this.#departing
    // What leaving stops tells its listeners at once, and they may ask to depart again.
    let leave = (): void => {}
    this.#departing = new Promise((resolve, reject) => {
      leave = () => void this.#leave(how).then(resolve, reject)
    })
    leave()
    return this.#departing
  }

  async #leave(how: Departure): Promise<void> {
    this.#recordFile?.close()
    const gone = new Error('another process has the fleet')
    this.#startSignal.abort(gone)
    void this.#ends?.stop(AbortSignal.abort(gone))
    const running = this.#running
    void running?.poller.stop()
    running?.supervisor.leave({ atOnce: true })
    await running?.fleet.scaler.shutdown({ removeInstances: false })
    await this.#state?.close()
    await this.#options.client.close()
    this.#running = undefined
    this.#resolveDeparted(how)
  }

  #run(fleet: Fleet): void {
    const { settings, checkIntervalMs, client, concurrent, mayPark, createJobSupervisor, clock, logger } = this.#options
    this.record.watch(fleet.provisioner)
    const supervisor = createJobSupervisor(fleet, this.record, () => poller.noteCapacity(), this.#ends!)
    this.#takeOver(fleet, supervisor)
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
    this.#running = running
    fleet.provisioner.onChange(() => {
      const { fenced } = fleet.provisioner
      if (fenced instanceof GroupOwnedError) void this.#loseGroup(fenced, running)
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
    const taken = takeOverJobs({ left, scaler, supervisor, ends: this.#ends!, logger })
    // They are among those that may run at once, as they were before.
    const bounds = [concurrent, this.#limit]
    this.#takenOver = taken.map(async (end) => {
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
    await this.#running?.poller.stop()
    await this.#handingOver
    if (this.#departing !== undefined) {
      await this.#departing
      return { unreportedJobs: 0, remainingInstances: [] }
    }
    this.#isGivenBack = true
    await Promise.all(this.#takenOver)
    // Until then the machines of those jobs are in use, and would stay.
    await Promise.all([this.#running?.supervisor.sweepsEnded(), this.#tellEnds()])
    const shutdown = await this.#running?.fleet.scaler.shutdown({
      removeInstances: deleteInstancesOnShutdown,
      timeoutMs: shutdownDeletionIntervalMs * shutdownDeletionRetries,
    })
    await this.#state?.close()
    await client.close()
    await this.#recordFile?.flush()
    return { unreportedJobs: this.#ends?.untold ?? 0, remainingInstances: shutdown?.remaining ?? [] }
  }

  /** As long as a stop may take: what is left then is in the state, where one is kept. */
  async #tellEnds(): Promise<void> {
    const { clock, shutdownTimeoutMs } = this.#options
    const cancel = clock.after(shutdownTimeoutMs, () =>
      this.#patience.abort(new Error('the runner does not wait any longer')),
    )
    await this.#ends?.stop(this.#patience.signal)
    cancel()
  }

  #hasten(): void {
    if (this.#isHastened) return
    this.#isHastened = true
    const { clock, shutdownTimeoutMs } = this.#options
    this.#running?.supervisor.interrupt()
    const cancel = clock.after(shutdownTimeoutMs, () => {
      this.#running?.supervisor.abandon()
      this.#patience.abort(new Error('the runner does not wait any longer'))
    })
    void this.#stopping?.finally(cancel)
  }
}

function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}
