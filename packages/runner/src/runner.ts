import { hostname } from 'node:os'
import { type Clock, delay, type Logger, type Random, silentLogger, systemClock } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { fleetDirectory } from '@runner-core/fleeting/state'
import { jobFeatures, type RunnerIdentity } from '@runner-core/job'
import { ConcurrentIds } from '@runner-core/runner-executor'
import { collectDefaultMetrics } from 'prom-client'
import { S3CacheStore } from './caches/s3-cache-store.ts'
import type { FindPlugin } from './config/checks/check-plugins.ts'
import { isEverywhere } from './config/is-everywhere.ts'
import { fleetName, type ListenAddress, type RunnerSettings, type Settings } from './config/settings.ts'
import { stateDirectory } from './config/state-settings.ts'
import { GroupClaims } from './fleet/group-claims.ts'
import type { Environment } from './gitlab/http/proxy.ts'
import { JobApiClient } from './gitlab/job-api-client.ts'
import { describeRunner, type RunnerFeature, type RunnerInfo } from './gitlab/runner-info.ts'
import { shortToken } from './identity/short-token.ts'
import { randomSystemId } from './identity/system-id.ts'
import { JobExecutors } from './job-executors.ts'
import { Concurrency } from './jobs/concurrency.ts'
import { JobSupervisor } from './jobs/job-supervisor.ts'
import { secretsOf } from './logging/configured-secrets.ts'
import { countLines } from './logging/count-lines.ts'
import type { LogSink } from './logging/log-sink.ts'
import { createRedactor } from './logging/redact.ts'
import { withFields } from './logging/with-fields.ts'
import { fleetBuckets } from './metrics/fleet-buckets.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { openFleetState } from './state/open-fleet-state.ts'
import { assessHealth, type HealthReport } from './status/health.ts'
import { type Page, type StatusServer, serveStatus } from './status/http-server.ts'
import type { ManagerStatus } from './status/manager-status.ts'
import type { RunnerRecord } from './status/read-records.ts'
import { StatusFile, statusDirectory } from './status/status-file.ts'
import type { Departure } from './supervisor/fleet-departure.ts'
import { RunnerSupervisor, type StopMode, type StopReport } from './supervisor/runner-supervisor.ts'
import { version } from './version.ts'

export interface RunnerOptions {
  /** From `parseConfig` or `loadConfig`. */
  readonly settings: Settings
  /**
   * Tells this manager from others with the same tokens; keep it over restarts, see `loadSystemId`. Default: a random
   * one.
   */
  readonly systemId?: string
  /** Where instance group plugins come from. Default: `loadPlugin`, which imports installed packages and files. */
  readonly findPlugin?: FindPlugin
  /** Where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are read. Default: `process.env`. */
  readonly environment?: Environment
  /**
   * Takes the fleets from a process that has them, with its jobs: it is asked for them, and when it does not answer
   * they are taken by force. Status pages wait until their address is free. Without effect on a runner that keeps no
   * state. Default false: a fleet that another process has is waited for.
   */
  readonly takeover?: boolean
  /** Entries of the file that do not run, and why not: health and status name them. Default: none. */
  readonly refused?: readonly { readonly name: string; readonly problems: readonly string[] }[]
  /** Default: silent. Tokens are never among what it is given. */
  readonly logger?: Logger
  /** What becomes of the lines of `logger`, for health and metrics. Default: all are written. */
  readonly log?: Pick<LogSink, 'lost' | 'trouble'>
  readonly clock?: Clock
  readonly random?: Random
}

/** From one try to serve the status pages to the next, while another process has their address, milliseconds. */
const pagesWaitMs = 250

/** One runner's way to its coordinator. */
interface RunnerClient {
  readonly settings: RunnerSettings
  readonly info: RunnerInfo
  readonly logger: Logger
  readonly client: JobApiClient
}

/**
 * A GitLab runner manager in this process: takes jobs for every `[[runners]]` entry and runs them on that entry's
 * instances.
 */
export class Runner {
  readonly #options: Required<RunnerOptions>
  readonly #concurrent: Concurrency
  readonly #concurrentIds = new ConcurrentIds()
  readonly #metrics: Metrics
  /** Errors of a plugin or a server are shown in its own words. */
  readonly #redact: (text: string) => string
  readonly #entries: RunnerSupervisor[] = []
  readonly #claims = new GroupClaims()
  readonly #cacheStores: S3CacheStore[] = []
  readonly #startedAt: number
  /** Lines that the logger threw on. */
  #linesLost = 0
  readonly #executors: JobExecutors
  #status: StatusServer | undefined
  /** Ends the wait for their address. */
  readonly #pagesWait = new AbortController()
  #statusFile: StatusFile | undefined
  #stopping: Promise<StopReport> | undefined
  #departed: Promise<Departure> | undefined
  /** Undefined: ours is of this process alone. */
  readonly #keptSystemId: string | undefined

  /**
   * Serves the status pages and begins to start the fleets; one that does not start is tried again while the others
   * work. Rejects, with nothing left running, when the pages cannot be served or a runner's settings cannot work
   * (`JobApiError` `invalid_config`, `ConfigError`).
   */
  static async start(options: RunnerOptions): Promise<Runner> {
    const runner = new Runner(options, await JobExecutors.load(options.settings.runners))
    const clients = options.settings.runners.map((settings) => runner.#createClient(settings))
    await runner.#serve()
    runner.#keepStatus()
    for (const client of clients) runner.#entries.push(runner.#createEntry(client))
    runner.#departed = runner.#untilDeparted()
    runner.#options.logger.info(
      { version, runners: runner.#entries.length, system_id: runner.#options.systemId },
      'runner started',
    )
    return runner
  }

  private constructor(
    { logger = silentLogger, random = Math.random, ...options }: RunnerOptions,
    executors: JobExecutors,
  ) {
    this.#executors = executors
    const counted = countLines(logger, () => (this.#linesLost += 1))
    this.#options = {
      systemId: randomSystemId(random),
      findPlugin: loadPlugin,
      environment: process.env,
      takeover: false,
      refused: [],
      log: { lost: 0, trouble: undefined },
      clock: systemClock,
      ...options,
      random,
      logger: counted.logger,
    }
    this.#keptSystemId = options.systemId
    this.#startedAt = this.#options.clock.wallTime()
    this.#concurrent = new Concurrency(options.settings.concurrent)
    this.#redact = createRedactor(secretsOf(options.settings))
    this.#metrics = createMetrics({
      concurrent: this.#concurrent,
      logLines: counted.counts,
      logLinesLost: () => this.#options.log.lost + this.#linesLost,
      runners: () => this.#entries.map((entry) => entry.measured),
      fleets: () => this.#entries.flatMap((entry) => entry.measuredFleet ?? []),
      buckets: fleetBuckets(options.settings.runners.map(({ autoscaler }) => autoscaler)),
    })
  }

  /**
   * Resolves when other processes have the fleets of all runners: this one has closed its pages then, and has nothing
   * more to do. `lost`: one of them was not handed over in order.
   */
  get departed(): Promise<Departure> {
    return this.#departed!
  }

  /** Port of the status pages; undefined without `listen_address`. */
  get statusPort(): number | undefined {
    return this.#status?.port
  }

  /** Which of the runners keep state, so that the next process resumes their jobs however this one ends. */
  get keepsState(): 'all' | 'some' | 'none' {
    const { settings } = this.#options
    const kept = settings.runners.filter((runner) => stateDirectory(settings, runner) !== undefined).length
    return kept === 0 ? 'none' : kept === settings.runners.length ? 'all' : 'some'
  }

  /** Stops the runners that keep no state, as {@link stop} with `fast` does. Those with state are left as they are. */
  async stopStateless(): Promise<void> {
    const { settings } = this.#options
    const stateless = this.#entries.filter(
      (_, index) => stateDirectory(settings, settings.runners[index]!) === undefined,
    )
    await Promise.all(stateless.map((entry) => entry.stop('fast')))
  }

  /** Jobs that were taken and whose end GitLab has not been told, now. */
  get unreportedJobs(): number {
    return this.#entries.reduce((sum, { unreportedJobs }) => sum + unreportedJobs, 0)
  }

  /** What `/health/live` and `/health/ready` serve. */
  health(kind: 'live' | 'ready'): HealthReport {
    const { refused } = this.#options
    const progress = [
      ...this.#entries.map((entry) => entry.progress),
      ...refused.map(({ name, problems }) => ({ name, refusals: problems })),
    ]
    return assessHealth(kind, progress, this.#options.clock.now(), this.#options.log.trouble)
  }

  /** What `/status` serves: every runner with its instances and jobs, now. */
  status(): ManagerStatus {
    const { clock, refused } = this.#options
    const { runners } = this.health('ready')
    return {
      version,
      pid: process.pid,
      startedAt: this.#startedAt,
      at: clock.wallTime(),
      runners: [
        ...this.#entries.map((entry, index) => entry.status(runners[index]!)),
        ...refused.map(({ name }, index) => ({ ...runners[this.#entries.length + index]!, fleet: name })),
      ],
    }
  }

  /** What `/decisions` serves: the record of each runner. */
  decisions(): readonly RunnerRecord[] {
    return this.#entries.map(({ name, record }) => ({
      runner: name,
      decisions: [...record.decisions],
      jobs: [...record.jobs()],
    }))
  }

  /** What `/metrics` serves: Prometheus text. */
  metrics(): Promise<string> {
    return this.#metrics.registry.metrics()
  }

  /**
   * Takes no more jobs. `graceful` (default) lets running ones finish, however long that takes; `fast` ends them,
   * reports them, and gives up on both after `shutdown_timeout`. Then the instances go, unless
   * `delete_instances_on_shutdown` is false. A call with `fast` hastens a graceful stop; all calls get the same report.
   */
  stop(mode: StopMode = 'graceful'): Promise<StopReport> {
    this.#options.logger.info({ mode }, 'runner stops')
    const stops = this.#entries.map((entry) => entry.stop(mode))
    this.#stopping ??= this.#stop(stops)
    return this.#stopping
  }

  async #untilDeparted(): Promise<Departure> {
    const departures = await Promise.all(this.#entries.map(({ departed }) => departed))
    this.#statusFile?.stop()
    this.#pagesWait.abort()
    await this.#status?.close()
    await this.#closeCacheStores()
    const how = departures.includes('lost') ? 'lost' : 'handed over'
    const { logger } = this.#options
    if (how === 'lost') logger.error({}, 'runner ends: it has lost its fleets')
    else logger.info({}, 'runner ends: its fleets and jobs were handed over to another process')
    return how
  }

  async #stop(stops: readonly Promise<StopReport>[]): Promise<StopReport> {
    this.#pagesWait.abort()
    const reports = await Promise.all(stops)
    await this.#closeCacheStores()
    await this.#status?.close()
    this.#statusFile?.stop()
    await this.#statusFile?.write()
    const report = {
      unreportedJobs: reports.reduce((sum, { unreportedJobs }) => sum + unreportedJobs, 0),
      remainingInstances: reports.flatMap(({ remainingInstances }) => remainingInstances),
    }
    this.#options.logger.info(
      { unreported_jobs: report.unreportedJobs, remaining_instances: report.remainingInstances },
      'runner stopped',
    )
    return report
  }

  #keepStatus(): void {
    const { settings, clock, logger } = this.#options
    const directory = statusDirectory(settings)
    if (directory === undefined) return
    this.#statusFile = new StatusFile({ directory, read: () => this.status(), redact: this.#redact, clock, logger })
  }

  async #serve(): Promise<void> {
    const { listenAddress } = this.#options.settings
    if (listenAddress === undefined) return
    collectDefaultMetrics({ register: this.#metrics.registry })
    try {
      await this.#listen(listenAddress)
    } catch (error) {
      const { takeover, logger } = this.#options
      if (!takeover || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      logger.info({ port: listenAddress.port }, 'status pages wait until their address is free')
      void this.#listenLater(listenAddress)
    }
  }

  /** The process whose work is taken over serves its own until it ends. */
  async #listenLater(address: ListenAddress): Promise<void> {
    const { clock, logger } = this.#options
    const { signal } = this.#pagesWait
    while (!signal.aborted) {
      try {
        await delay(clock, pagesWaitMs, signal)
        await this.#listen(address)
        if (signal.aborted) await this.#status?.close()
        return
      } catch (error) {
        if (signal.aborted || (error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
        logger.error({ error }, 'status pages cannot be served')
        return
      }
    }
  }

  async #listen(address: ListenAddress): Promise<void> {
    const { registry } = this.#metrics
    const pages: Page[] = [
      {
        path: '/metrics',
        render: async () => ({ status: 200, contentType: registry.contentType, body: await registry.metrics() }),
      },
      { path: '/status', render: async () => this.#json(this.status()) },
      { path: '/decisions', render: async () => this.#json(this.decisions()) },
      ...(['live', 'ready'] as const).map(
        (kind): Page => ({ path: `/health/${kind}`, render: async () => this.#healthPage(kind) }),
      ),
    ]
    const { settings, logger } = this.#options
    this.#status = await serveStatus(address, pages, { names: settings.listenHosts ?? [] })
    const at = isEverywhere(address) ? { addresses: 'all of this machine' } : {}
    logger.info({ port: this.#status.port, ...at }, 'status pages served')
  }

  #healthPage(kind: 'live' | 'ready'): { status: number; contentType: string; body: string } {
    const report = this.health(kind)
    return this.#json(report, report.status === 'ok' ? 200 : 503)
  }

  #json(value: unknown, status = 200): { status: number; contentType: string; body: string } {
    return { status, contentType: 'application/json', body: `${this.#redact(JSON.stringify(value))}\n` }
  }

  /** Undefined: machines keep caches themselves. */
  #openCacheStore({ cache, token }: RunnerSettings): S3CacheStore | undefined {
    if (cache.type === undefined) return undefined
    const { environment, clock, random } = this.#options
    const store = new S3CacheStore({ settings: cache, shortToken: shortToken(token), environment, clock, random })
    this.#cacheStores.push(store)
    return store
  }

  async #closeCacheStores(): Promise<void> {
    await Promise.all(this.#cacheStores.map((store) => store.close()))
  }

  /** Beside the fleet's state. */
  #recordDirectory(runner: RunnerSettings): string | undefined {
    const directory = stateDirectory(this.#options.settings, runner)
    return directory === undefined ? undefined : fleetDirectory(directory, fleetName(runner))
  }

  #createClient(settings: RunnerSettings): RunnerClient {
    const { systemId, environment, clock, random } = this.#options
    const features = [...(Object.keys(jobFeatures) as RunnerFeature[]), ...this.#executors.features(settings)]
    const info = describeRunner({ version, executor: settings.executor, shell: settings.shell, features })
    const logger = withFields(this.#options.logger, { runner: shortToken(settings.token), runner_name: settings.name })
    const client = new JobApiClient({ ...settings, systemId, environment, info, clock, random, logger })
    return { settings, info, logger, client }
  }

  #createEntry({ settings, info, logger, client }: RunnerClient): RunnerSupervisor {
    const { settings: whole, findPlugin, systemId, takeover, environment, clock, random } = this.#options
    const labels = { runner: shortToken(settings.token), runner_name: settings.name, system_id: systemId }
    const identity: RunnerIdentity = {
      ...info,
      name: settings.name,
      shortToken: labels.runner,
      systemId,
      hostname: hostname(),
      architecture: `${info.platform}/${info.architecture}`,
    }
    const cacheStore = this.#openCacheStore(settings)
    return new RunnerSupervisor({
      settings,
      // Managers whose system ID is not kept are taken for one: the next one is its successor.
      manager: this.#keptSystemId ?? 'unknown',
      checkIntervalMs: whole.checkIntervalMs,
      shutdownTimeoutMs: whole.shutdownTimeoutMs,
      labels,
      client,
      concurrent: this.#concurrent,
      // A request that keeps its place must leave one for each other runner.
      mayPark: () => this.#concurrent.free >= whole.runners.length - 1,
      findPlugin,
      observers: this.#metrics.observeFleet(labels),
      claimGroup: (groupId) => this.#claims.claim(groupId, settings.name),
      systemId: this.#keptSystemId,
      recordDirectory: this.#recordDirectory(settings),
      redact: this.#redact,
      openState: (signal, onWait) =>
        openFleetState({ settings: whole, runner: settings, onWait, takeover, clock, logger, signal }),
      createJobSupervisor: ({ provisioner, scaler, queue, claims, state }, record, onSlotFree, ends) =>
        new JobSupervisor({
          settings,
          client,
          executor: this.#executors.create({
            settings,
            systemId,
            environment,
            scaler,
            provisioner,
            lease: state?.lease,
            concurrentIds: this.#concurrentIds,
            claims,
            logins: state?.logins,
            clock,
            random,
            logger,
          }),
          identity,
          cacheStore,
          queue,
          observer: this.#metrics.observeJobs(labels),
          record,
          journal: state?.jobs,
          onSlotFree,
          ends,
          clock,
          random,
          logger,
        }),
      clock,
      random,
      logger,
    })
  }
}
