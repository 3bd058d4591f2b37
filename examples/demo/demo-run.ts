import { systemClock as clock, delay, type Logger, silentLogger } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { parseConfig, Runner } from '@runner-core/runner'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import { demoConfig } from './demo-config.ts'
import { wordOutcome } from './expectation.ts'
import { FleetRecord } from './fleet-record.ts'
import { followJob } from './follow-job.ts'
import { makeJob } from './job-kinds.ts'
import type { DemoState } from './live-view.ts'
import type { DemoOptions } from './options.ts'
import type { DemoRecord, EndedJob } from './report.ts'
import type { Arrival } from './traffic.ts'
import { type WatchedPlugin, watchPlugin } from './watched-plugin.ts'

/** How often the instances are looked at, milliseconds. */
const lookMs = 100
/** How long the fleet is watched going down when all jobs are done, milliseconds. */
const watchDownMs = 6000

/** The demo while it runs: a coordinator, a runner, and what is known about both. */
export class DemoRun {
  readonly #options: DemoOptions
  readonly #startedAt = clock.now()
  readonly #fleet = new FleetRecord()
  readonly #jobs: CoordinatorJob[] = []
  readonly #ended: EndedJob[] = []
  #instances: readonly string[] = []
  #reason = 'nothing to do yet'

  constructor(options: DemoOptions) {
    this.#options = options
  }

  /**
   * Runs all jobs to their ends and takes everything down again, also when `signal` aborts; then it rejects with its
   * reason.
   */
  async run(arrivals: readonly Arrival[], folder: string, signal: AbortSignal): Promise<Omit<DemoRecord, 'leaked'>> {
    await using coordinator = await Coordinator.start({ traceUpdateIntervalSeconds: 1 })
    const plugin = watchPlugin((await loadPlugin(this.#options.plugin)).createInstanceGroup)
    const { settings } = parseConfig(demoConfig(this.#options, coordinator.url, Coordinator.token, folder))
    const runner = await Runner.start({ settings, findPlugin: async () => plugin, logger: this.#listen() })
    const looking = new AbortController()
    const looks = this.#look(plugin, looking.signal)
    try {
      await this.#work(coordinator, arrivals, signal)
    } finally {
      await runner.stop('fast')
      looking.abort()
      await looks
    }
    return {
      jobs: this.#ended.sort((a, b) => a.id - b.id),
      instances: { created: this.#fleet.created, peak: this.#fleet.peak },
      violations: coordinator.violations.map(
        ({ rule, endpoint, jobId, detail }) => `${rule} (${endpoint}, job ${jobId ?? '-'}): ${detail}`,
      ),
      machineMs: this.#fleet.machineMs(this.#elapsedMs),
      elapsedMs: this.#elapsedMs,
      slots: this.#options.slots,
    }
  }

  /** How things stand, with the instances' history in `columns` columns. */
  state(columns: number): DemoState {
    const { jobs: total, slots, maxInstances } = this.#options
    const count = (...states: readonly string[]): number =>
      this.#jobs.filter(({ state }) => states.includes(state)).length
    const running = count('assigned', 'running', 'canceling')
    const slotCount = this.#instances.length * slots
    const last = this.#ended.at(-1)
    return {
      elapsedMs: this.#elapsedMs,
      jobs: {
        total,
        queued: count('pending'),
        running,
        done: count('success', 'failed', 'canceled'),
        wrong: this.#ended.filter(({ deviations }) => deviations.length > 0).length,
      },
      // A job that runs may still wait for the instance that is made for it.
      slots: { used: Math.min(running, slotCount), total: slotCount },
      instances: { now: this.#instances.length, peak: this.#fleet.peak, most: maxInstances },
      shape: this.#fleet.columns(0, this.#elapsedMs, columns),
      reason: this.#reason,
      lastEnd:
        last === undefined
          ? ''
          : `${last.job.kind}: ${wordOutcome(last)}${last.deviations.length === 0 ? '' : `, WRONG: ${last.deviations[0]}`}`,
    }
  }

  get #elapsedMs(): number {
    return clock.now() - this.#startedAt
  }

  async #work(coordinator: Coordinator, arrivals: readonly Arrival[], signal: AbortSignal): Promise<void> {
    const startMs = this.#elapsedMs
    const ends = arrivals.map(async ({ atMs, durationMs }, index) => {
      await delay(clock, atMs - (this.#elapsedMs - startMs), signal)
      const demoJob = makeJob({ index, durationMs })
      const job = coordinator.enqueue(demoJob.spec)
      this.#jobs.push(job)
      this.#ended.push(await followJob(demoJob, job, signal))
    })
    await Promise.all(ends)
    const until = clock.now() + watchDownMs
    while (this.#instances.length > 1 && clock.now() < until) await delay(clock, lookMs, signal)
  }

  async #look(plugin: WatchedPlugin, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#instances = (await plugin.instances(signal)) ?? this.#instances
      this.#fleet.note(this.#elapsedMs, this.#instances)
      await delay(clock, lookMs, signal).catch(() => {})
    }
  }

  /** The runner's log, of which the demo shows why instances come and go. */
  #listen(): Logger {
    const note = (fields: object, message: string): void => {
      if (!('reason' in fields) || typeof fields.reason !== 'string') return
      this.#reason = `at ${(this.#elapsedMs / 1000).toFixed(1)} s ${message}: ${fields.reason}`
    }
    return { ...silentLogger, info: note }
  }
}
