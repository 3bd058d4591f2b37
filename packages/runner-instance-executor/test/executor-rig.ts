import { ConcurrentIds, type PreparedPlace } from '@runner-core/runner-executor'
import { Rig, type RigOptions } from '@runner-core/testkit/scaler/rig'
import { InstanceExecutor, type InstanceExecutorOptions } from '../src/index.ts'

/** A job on its way to a place. */
export interface Preparation {
  place?: PreparedPlace
  error?: unknown
  readonly lines: string[]
  /** `Clock.now()` of each line, from the beginning on. */
  readonly linesAt: number[]
  cancel(reason: Error): void
}

/**
 * An executor over a scaler on a cloud in memory, where a machine boots in 30 s, and where time passes when it is told
 * to.
 */
export class ExecutorRig {
  readonly rig: Rig
  readonly executor: InstanceExecutor

  private constructor(rig: Rig, options: Partial<InstanceExecutorOptions>) {
    this.rig = rig
    this.executor = new InstanceExecutor({
      scaler: rig.scaler,
      shell: 'bash',
      buildsDir: 'builds',
      concurrentIds: new ConcurrentIds(),
      clock: rig.clock,
      ...options,
    })
  }

  static async start(
    rigOptions: RigOptions = {},
    options: Partial<InstanceExecutorOptions> = {},
  ): Promise<ExecutorRig> {
    return new ExecutorRig(await Rig.start(rigOptions), options)
  }

  /** Starts to prepare a place and lets promises settle, but no time pass. */
  async prepare(project?: string): Promise<Preparation> {
    const { clock, scaler } = this.rig
    const canceled = new AbortController()
    const beganAt = clock.now()
    const preparation: Preparation = { lines: [], linesAt: [], cancel: (reason) => canceled.abort(reason) }
    const report = (line: string): void => {
      preparation.lines.push(line)
      preparation.linesAt.push(clock.now() - beganAt)
    }
    this.executor.prepare(scaler.reserve(), { report, signal: canceled.signal, project }).then(
      (place) => (preparation.place = place),
      (error) => (preparation.error = error),
    )
    await clock.advance(0)
    return preparation
  }

  /** A place, with as much time as its machine needs. */
  async place(project?: string): Promise<PreparedPlace> {
    const preparation = await this.prepare(project)
    await this.rig.clock.advance(40_000)
    if (preparation.place === undefined) throw preparation.error ?? new Error('no place within 40 s')
    return preparation.place
  }
}
