import { type Clock, type Connection, ConnectionError, type ExecOptions, type Execution, type ExitStatus } from '@runner-core/fleeting'
import type { WorldProcess } from './world-process.ts'

/** A job's process on a machine. */
export interface MachineJob {
  /** Names it. */
  readonly run: string
  readonly instanceId: string
  readonly slot: number
  readonly job: string
  /** What the command that ends it must hold. */
  readonly marker: string
  /** Resolves when it has ended: whether that was because its time was over. */
  readonly over: Promise<boolean>
  readonly end: () => void
}

/** What a script says that stands for a job. */
const jobScript = /^job (?<job>\S+) slot (?<slot>\d+) takes (?<tookMs>\d+|forever)$/

/** The script of a job that does nothing but take its time. */
export function scriptOf(job: string, slot: number, durationMs: number): string {
  return `job ${job} slot ${slot} takes ${durationMs === Number.POSITIVE_INFINITY ? 'forever' : durationMs}`
}

export interface WorldMachinesOptions {
  readonly clock: Clock
  /** Whether a machine is there and runs. */
  readonly runs: (instanceId: string) => boolean
  readonly onStart: (job: MachineJob) => void
  /** Its process is there no more; `completed`: its time was over. */
  readonly onEnd: (job: MachineJob, how: { readonly completed: boolean }) => void
}

/**
 * What runs on the machines of a world: commands that are jobs, commands that end jobs, and anything else, which ends at once and well. A job ends with the connection that it was started on, but not
 * with the manager: it then goes on by itself, until its time is over or its machine is.
 */
export class WorldMachines {
  readonly #running = new Set<MachineJob>()
  readonly #options: WorldMachinesOptions
  #runs = 0

  constructor(options: WorldMachinesOptions) {
    this.#options = options
  }

  /** Jobs whose processes are there now. */
  get running(): readonly MachineJob[] {
    for (const job of this.#running) if (!this.#options.runs(job.instanceId)) job.end()
    return [...this.#running]
  }

  /** A connection that the cloud opened, as a process has it. */
  connectionOf(process: WorldProcess, connection: Connection, instanceId: string): Connection {
    const forget = process.atEnd(() => void connection.close())
    connection.onEnd(forget)
    return {
      exec: (command, options = {}) =>
        process.effect('connection', `a command on ${instanceId}`, async () =>
          this.#exec(process, connection, instanceId, command, options),
        ),
      dial: (target) => connection.dial(target),
      check: (timeoutMs) => process.effect('connection', `a check of ${instanceId}`, () => connection.check(timeoutMs)),
      get ended() {
        return connection.ended
      },
      onEnd: (listener) => connection.onEnd((reason) => process.isAlive && listener(reason)),
      close: () => connection.close(),
    }
  }

  #exec(
    process: WorldProcess,
    connection: Connection,
    instanceId: string,
    command: string,
    { stdin, stdout, signal }: ExecOptions,
  ): Execution {
    if (connection.ended !== undefined) throw connection.ended
    signal?.throwIfAborted()
    const script = typeof stdin === 'string' || Buffer.isBuffer(stdin) ? stdin.toString() : ''
    let resolve!: (status: ExitStatus) => void
    let reject!: (reason: unknown) => void
    const promise = new Promise<ExitStatus>((settle, fail) => {
      resolve = settle
      reject = fail
    })
    promise.catch(() => {})
    connection.onEnd(reject)
    const found = jobScript.exec(script)?.groups
    if (found !== undefined) {
      const job = this.#run(instanceId, command, found as { job: string; slot: string; tookMs: string })
      void job.over.then((completed) => resolve({ code: completed ? 0 : 137 }))
      connection.onEnd(() => process.isAlive && job.end())
    } else {
      for (const job of this.running) if (job.instanceId === instanceId && script.includes(job.marker)) job.end()
      void Promise.resolve(script === '' ? undefined : stdout?.(Buffer.from('clean\n'))).then(() => resolve({ code: 0 }), reject)
    }
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    return {
      exited: promise,
      closed: promise,
      kill: (name) => resolve({ signal: name }),
      close: () => reject(new ConnectionError('connection_lost', 'the channel was closed')),
    }
  }

  #run(
    instanceId: string,
    command: string,
    { job, slot, tookMs }: { readonly job: string; readonly slot: string; readonly tookMs: string },
  ): MachineJob {
    const { clock, onStart, onEnd } = this.#options
    let resolve: (completed: boolean) => void = () => {}
    const over = new Promise<boolean>((settle) => {
      resolve = settle
    })
    const end = (completed: boolean): void => {
      if (!this.#running.delete(running)) return
      cancel()
      resolve(completed)
      onEnd(running, { completed })
    }
    const cancel = tookMs === 'forever' ? () => {} : clock.after(Number(tookMs), () => end(this.#options.runs(instanceId)))
    const running: MachineJob = {
      run: `run ${++this.#runs}`,
      instanceId,
      slot: Number(slot),
      job,
      marker: /RUNNER_CORE_JOB=["']?([\w.]+)/.exec(command)?.[1] ?? job,
      over,
      end: () => end(false),
    }
    this.#running.add(running)
    onStart(running)
    return running
  }
}
