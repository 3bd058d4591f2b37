import { randomBytes } from 'node:crypto'
import { type Clock, type Connection, systemClock } from '@runner-core/fleeting'
import { EnvironmentError, type JobEnvironment, killLimitMs, killScript, type ScriptEnd, type ScriptRun, type ShellName, shellCommand } from '@runner-core/job'
import type { Acquisition, Reservation, Taskscaler } from '@runner-core/taskscaler'

export interface InstanceExecutorOptions {
  readonly scaler: Taskscaler
  readonly shell: ShellName
  readonly buildsDir: string
  readonly acquireTimeoutMs?: number
  readonly clock?: Clock
}
export interface PreparedInstance {
  readonly environment: JobEnvironment
  release(): Promise<void>
}
const taken = new Set<number>()

// FIRST PASS, only so that the layers can be joined: to be replaced by the owner of this package.
export class InstanceExecutor {
  static readonly features: readonly string[] = ['variables', 'shared']
  readonly #options: InstanceExecutorOptions
  constructor(options: InstanceExecutorOptions) {
    this.#options = options
  }

  async prepare(
    reservation: Reservation,
    { report, signal }: { readonly report: (line: string) => void; readonly signal: AbortSignal },
  ): Promise<PreparedInstance> {
    const { scaler, shell, buildsDir, clock = systemClock } = this.#options
    let acquired = false
    const tell = (): void => {
      if (acquired || signal.aborted) return
      report(scaler.explainWait(reservation))
      clock.after(30_000, tell)
    }
    const pending = scaler.acquire(reservation, { signal })
    const first = clock.after(5, tell)
    const acquisition = await pending.finally(() => {
      acquired = true
      first()
    })
    try {
      const connection = await acquisition.connect(signal)
      let concurrentId = 0
      while (taken.has(concurrentId)) concurrentId++
      taken.add(concurrentId)
      return {
        environment: new InstanceEnvironment(acquisition, connection, { shell, buildsDir, concurrentId }),
        async release() {
          taken.delete(concurrentId)
          await acquisition[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      acquisition.dirty = true
      await acquisition[Symbol.asyncDispose]()
      throw error
    }
  }
}

class InstanceEnvironment implements JobEnvironment {
  readonly shell: ShellName
  readonly description: string
  readonly jobMarker: { readonly name: string; readonly value: string } = { name: 'RUNNER_CORE_JOB', value: randomBytes(12).toString('hex') }
  readonly buildsDir: string
  readonly concurrentId: number
  readonly #acquisition: Acquisition
  readonly #connection: Connection

  constructor(acquisition: Acquisition, connection: Connection, place: { readonly shell: ShellName; readonly buildsDir: string; readonly concurrentId: number }) {
    this.#acquisition = acquisition
    this.#connection = connection
    this.shell = place.shell
    this.buildsDir = place.buildsDir
    this.concurrentId = place.concurrentId
    this.description = `instance ${acquisition.instanceId}, slot ${acquisition.slot}`
  }

  async run({ script, stdout, stderr, signal }: ScriptRun): Promise<ScriptEnd> {
    const command = shellCommand({ shell: this.shell, jobMarker: this.jobMarker, scriptBytes: script.length })
    try {
      const execution = await this.#connection.exec(command, { stdin: script, stdout, stderr, signal: AbortSignal.any([signal, this.#acquisition.signal]) })
      const status = await execution.exited
      await Promise.race([execution.closed, new Promise((resolve) => systemClock.after(300, () => resolve(undefined)))])
      return 'code' in status ? { exitCode: status.code } : status
    } catch (error) {
      if (!signal.aborted) throw new EnvironmentError('lost', (error as Error).message, { cause: error })
      await this.killAll()
      throw signal.reason
    }
  }

  async killAll(): Promise<void> {
    let answer = ''
    const script = killScript({ jobMarker: this.jobMarker, graceMs: 10_000 })
    const execution = await this.#connection.exec('exec sh', { stdin: script, stdout: (chunk) => void (answer += chunk.toString()) })
    await execution.exited
    await Promise.race([execution.closed, new Promise((resolve) => systemClock.after(killLimitMs, () => resolve(undefined)))])
    if (answer.trim() !== 'clean') throw new EnvironmentError('failed', `not all processes could be ended: ${answer}`)
  }
}
