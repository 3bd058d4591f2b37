import { type Clock, type Connection, type DialTarget, deadline, type Logger, untilAbort } from '@runner-core/fleeting'
import { Sweeps } from '@runner-core/runner-executor'
import { Engine } from '../engine/engine.ts'
import { sweepEngine } from './sweep-engine.ts'

/** Instances of a fleet whose lease this process has, so that it can sweep them without a job. */
export interface OwnInstances {
  /** Ids of those that are ready. */
  readonly ready: () => readonly string[]
  /** Calls `listener` soon after {@link ready} may be another, and every few seconds. */
  readonly onChange: (listener: () => void) => void
  readonly connect: (instanceId: string, signal: AbortSignal) => Promise<Connection>
  /** Resolves when no other process had the lease up to this call. Rejects otherwise. */
  readonly proveLease: () => Promise<void>
}

export interface EngineSweeperOptions {
  /** Where the Engine listens, as seen from an instance. */
  readonly target: DialTarget
  /** Of this manager: see `AttemptLabels.fleet`. */
  readonly fleet: string
  /** Whether an attempt is under way, or left by an earlier manager and to be resumed. */
  readonly isActive: (attempt: string) => boolean
  /** Absent: Engines are swept beside jobs only. */
  readonly instances?: OwnInstances | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** What is known of an instance's Engine. */
interface EngineRecord {
  /** Whether nothing is left there of jobs that are over. */
  isSwept: boolean
  isSweeping: boolean
  /** How often something may have been left there since the first sweep began. */
  notes: number
  /** Sweeps in a row that failed. */
  failures: number
  /** `Clock.now()` before which it is not swept again without a job. */
  dueAt: number
}

/** Sweeping one Engine, milliseconds. */
const limitMs = 60_000
/** From a sweep that failed to the next one without a job; twice as long after each failure. */
const firstPauseMs = 30_000
const longestPauseMs = 600_000
/** Sweeps at once without a job. */
const mostAtOnce = 4

/** Removes from Engines what is left of jobs that are over: beside the next job there, and where it can without one. */
export class EngineSweeper {
  readonly #options: EngineSweeperOptions
  readonly #records = new Map<string, EngineRecord>()
  readonly #sweeps = new Sweeps()
  #atOnce = 0

  constructor(options: EngineSweeperOptions) {
    this.#options = options
  }

  /** Sweeps from now on also without a job. To be called once, when all attempts that are to be resumed are active. */
  begin(): void {
    const { instances } = this.#options
    if (instances === undefined) return
    instances.onChange(() => this.#look(instances))
    this.#look(instances)
  }

  /** Sweeps an Engine, soon, unless that was done. */
  sweep(instanceId: string, connection: Connection): void {
    void this.#begin(instanceId, async () => connection)
  }

  /** Something may be left on an Engine: it is swept again. Not at once: what it is doing may still come. */
  note(instanceId: string): void {
    const record = this.#recordOf(instanceId)
    record.notes += 1
    record.isSwept = false
    record.dueAt = this.#options.clock.now() + firstPauseMs
  }

  /** Resolves when no Engine is being swept. */
  async ended(): Promise<void> {
    await this.#sweeps.ended()
  }

  #recordOf(instanceId: string): EngineRecord {
    let record = this.#records.get(instanceId)
    if (record === undefined) {
      record = { isSwept: false, isSweeping: false, notes: 0, failures: 0, dueAt: Number.NEGATIVE_INFINITY }
      this.#records.set(instanceId, record)
    }
    return record
  }

  /** Everything anew: instances come and go. */
  #look(instances: OwnInstances): void {
    const ready = instances.ready()
    if (this.#records.size > ready.length) this.#forgetAllBut(new Set(ready))
    const now = this.#options.clock.now()
    for (const instanceId of ready) {
      if (this.#atOnce >= mostAtOnce) return
      const { isSwept, isSweeping, dueAt } = this.#recordOf(instanceId)
      if (isSwept || isSweeping || dueAt > now) continue
      this.#atOnce += 1
      void this.#begin(instanceId, (signal) => instances.connect(instanceId, signal))?.finally(() => {
        this.#atOnce -= 1
        this.#look(instances)
      })
    }
  }

  #forgetAllBut(ready: ReadonlySet<string>): void {
    for (const [instanceId, { isSweeping }] of this.#records)
      if (!ready.has(instanceId) && !isSweeping) this.#records.delete(instanceId)
  }

  /** Undefined: there is nothing to do, or it is being done. Does not reject. */
  #begin(instanceId: string, connect: (signal: AbortSignal) => Promise<Connection>): Promise<void> | undefined {
    const record = this.#recordOf(instanceId)
    if (record.isSwept || record.isSweeping) return undefined
    record.isSweeping = true
    const sweeping = this.#sweep(instanceId, record, connect)
    this.#sweeps.add(sweeping)
    return sweeping
  }

  async #sweep(
    instanceId: string,
    record: EngineRecord,
    connect: (signal: AbortSignal) => Promise<Connection>,
  ): Promise<void> {
    const { clock, logger } = this.#options
    const { notes } = record
    using limit = deadline(clock, limitMs, () => new Error(`no end within ${limitMs / 1000} s`))
    try {
      const attempts = await this.#sweepNow(await connect(limit.signal), limit.signal)
      if (attempts.length > 0)
        logger.info({ instance: instanceId, attempts: attempts.length }, 'removed what earlier jobs left on an Engine')
      record.isSwept = record.notes === notes
      record.failures = 0
    } catch (error) {
      record.dueAt = clock.now() + Math.min(firstPauseMs * 2 ** record.failures, longestPauseMs)
      record.failures += 1
      logger.debug({ instance: instanceId, err: error }, 'an Engine could not be looked at for what earlier jobs left')
    } finally {
      record.isSweeping = false
    }
  }

  /** The attempts that were removed. */
  async #sweepNow(connection: Connection, signal: AbortSignal): Promise<readonly string[]> {
    const { target, fleet, isActive, instances, clock } = this.#options
    const engine = await Engine.open({ dial: () => connection.dial(target), clock, signal })
    try {
      const mayRemove = async (): Promise<void> => {
        if (instances !== undefined) await untilAbort(instances.proveLease(), signal)
      }
      return await sweepEngine(engine, { fleet, isActive, mayRemove, clock, signal })
    } finally {
      engine.close()
    }
  }
}
