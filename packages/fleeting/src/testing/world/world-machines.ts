import type { Clock } from '../../clock.ts'
import type { Connection, ExecOptions, Execution, ExitStatus } from '../../connection.ts'
import { ConnectionError } from '../../errors.ts'
import type { WorldProcess } from './world-process.ts'

/** A job's process on a machine. */
export interface MachineJob {
  readonly instanceId: string
  readonly slot: number
  readonly job: string
  /** What the command that ends it must hold. */
  readonly marker: string
  readonly end: (status: ExitStatus) => void
}

/** What a script says that stands for a job. */
const jobScript = /^job (?<job>\S+) slot (?<slot>\d+) takes (?<tookMs>\d+|forever)$/

/** The script of a job that does nothing but take its time. */
export function scriptOf(job: string, slot: number, durationMs: number): string {
  return `job ${job} slot ${slot} takes ${durationMs === Number.POSITIVE_INFINITY ? 'forever' : durationMs}`
}

/** What runs on the machines of a world: commands that are jobs, commands that end jobs, and anything else, which ends at once and well. A job ends with the channel it was started on. */
export class WorldMachines {
  readonly running: Set<MachineJob> = new Set()
  readonly #clock: Clock
  readonly #onStart: (job: MachineJob) => void

  constructor(clock: Clock, onStart: (job: MachineJob) => void) {
    this.#clock = clock
    this.#onStart = onStart
  }

  /** A connection that the cloud opened, as a process has it. */
  connectionOf(process: WorldProcess, connection: Connection, instanceId: string): Connection {
    const forget = process.atEnd(() => void connection.close())
    connection.onEnd(forget)
    return {
      exec: (command, options = {}) =>
        process.effect('connection', `a command on ${instanceId}`, async () => this.#exec(connection, instanceId, command, options)),
      dial: (target) => connection.dial(target),
      check: (timeoutMs) => process.effect('connection', `a check of ${instanceId}`, () => connection.check(timeoutMs)),
      get ended() {
        return connection.ended
      },
      onEnd: (listener) => connection.onEnd((reason) => process.isAlive && listener(reason)),
      close: () => connection.close(),
    }
  }

  #exec(connection: Connection, instanceId: string, command: string, { stdin, stdout, signal }: ExecOptions): Execution {
    if (connection.ended !== undefined) throw connection.ended
    signal?.throwIfAborted()
    const script = String(stdin ?? '')
    let resolve!: (status: ExitStatus) => void
    let reject!: (reason: unknown) => void
    const promise = new Promise<ExitStatus>((settle, fail) => {
      resolve = settle
      reject = fail
    })
    promise.catch(() => {})
    const found = jobScript.exec(script)?.groups
    if (found !== undefined) this.#run(instanceId, command, found as { job: string; slot: string; tookMs: string }, promise, resolve)
    else {
      const ended = [...this.running].filter((job) => job.instanceId === instanceId && script.includes(job.marker))
      for (const job of ended) job.end({ signal: 'KILL' })
      void Promise.resolve(script === '' ? undefined : stdout?.(Buffer.from('clean\n'))).then(() => resolve({ code: 0 }), reject)
    }
    connection.onEnd(reject)
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
    over: Promise<ExitStatus>,
    end: (status: ExitStatus) => void,
  ): void {
    const marker = /RUNNER_CORE_JOB=["']?(\w+)/.exec(command)?.[1] ?? job
    const running: MachineJob = { instanceId, slot: Number(slot), job, marker, end }
    this.running.add(running)
    const cancel = tookMs === 'forever' ? () => {} : this.#clock.after(Number(tookMs), () => end({ code: 0 }))
    over
      .catch(() => {})
      .finally(() => {
        cancel()
        this.running.delete(running)
      })
    this.#onStart(running)
  }
}
