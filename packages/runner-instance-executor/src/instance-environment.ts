import {
  type Clock,
  type Connection,
  deadline,
  type ExitStatus,
  type Logger,
  loggedSeconds,
} from '@runner-core/fleeting'
import {
  type DetachedLeftover,
  EnvironmentError,
  type FileTransfer,
  type JobEnvironment,
  type JobMarker,
  ownHomeDirectory,
  type ScriptEnd,
  type ScriptRun,
  type ShellName,
  shellCommand,
  transferCommand,
} from '@runner-core/job'
import { reconnectMs, runStoppable, SlotConnection } from '@runner-core/runner-executor'
import { type Acquisition, InstanceLostError } from '@runner-core/taskscaler'
import { JobProcesses } from './cleanup/job-processes.ts'
import { DetachedRun, type DetachOptions, type StartedScript } from './commands/detached-run.ts'
import type { OutputRelay } from './commands/output-relay.ts'
import type { OutputRelays } from './commands/output-relays.ts'
import { runCommand } from './commands/run-command.ts'
import { TransferRun } from './commands/transfer-run.ts'
import { UnwritableError } from './commands/unwritable-error.ts'
import type { SlotClaims } from './slots/slot-claims.ts'
import type { SpaceLooks } from './slots/space-looks.ts'

export interface InstanceEnvironmentOptions {
  readonly acquisition: Acquisition
  readonly connection: Connection
  readonly shell: ShellName
  readonly buildsDir: string
  readonly concurrentId: number
  readonly jobMarker: JobMarker
  /** Whose job it is. */
  readonly project?: string | undefined
  /** Whether it has a home of its own (`LoginGuard`). Default false. */
  readonly hasOwnHome?: boolean
  /** See `JobEnvironment.guardsLogin`. Default false. */
  readonly guardsLogin?: boolean
  /** How long the job's processes have from `TERM` to `KILL`, milliseconds. */
  readonly killGraceMs: number
  /** Absent: a script ends with its connection. */
  readonly detach?: DetachOptions | undefined
  /** Absent: other managers know nothing of the job's slot. */
  readonly claims?: SlotClaims | undefined
  readonly relays: OutputRelays
  readonly spaceLooks: SpaceLooks
  /** What the login shells are like of machines whose scripts told it (`loginShellPrint`). */
  readonly loginPrints: WeakMap<Connection, string>
  readonly clock: Clock
  readonly logger: Logger
}

/** What another manager needs to go on with a job in its environment, beside the acquisition. JSON. */
export interface EnvironmentHandle {
  readonly shell: ShellName
  readonly jobMarker: string
  readonly buildsDir: string
  readonly concurrentId: number
  /** Absent in what earlier versions wrote. */
  readonly project?: string
  readonly hasOwnHome: boolean
  readonly guardsLogin: boolean
}

/**
 * A job's place on one slot. Its commands share the slot's connection, which outlives the job.
 *
 * It condemns the instance, which then gets no more jobs, as soon as processes of the job may live on where nothing
 * could end them: when the connection was lost under a script, and when killing could not be verified.
 */
export class InstanceEnvironment implements JobEnvironment {
  readonly shell: ShellName
  readonly description: string
  readonly jobMarker: JobMarker
  readonly buildsDir: string
  readonly concurrentId: number
  readonly home: string | undefined
  readonly guardsLogin: boolean
  readonly #options: InstanceEnvironmentOptions
  readonly #connection: SlotConnection
  readonly #processes: JobProcesses
  #running = 0
  #forgetOutput = (): void => {}
  #relay: { readonly connection: Connection; readonly relay: OutputRelay } | undefined
  /** The relays of the scripts that were run; undefined: one of an earlier manager, or none. */
  readonly #scripts: (OutputRelay | undefined)[] = []
  /** Whether what was ended by force may still print. */
  #wasKilled = false
  /** Whether the machine may have begun any of the job's scripts. */
  #isTouched = false

  constructor(options: InstanceEnvironmentOptions) {
    const { acquisition, connection, detach, clock } = options
    this.#options = options
    this.#connection = new SlotConnection({ acquisition, connection, isPatient: detach !== undefined, clock })
    this.#processes = new JobProcesses({
      ...options,
      slotOwner: options.claims?.ownerOn(connection, acquisition.instanceId),
      connection: this.#connection,
    })
    this.shell = options.shell
    this.description = `instance ${acquisition.instanceId}, slot ${acquisition.slot}`
    this.jobMarker = options.jobMarker
    this.buildsDir = options.buildsDir
    this.concurrentId = options.concurrentId
    this.guardsLogin = options.guardsLogin === true
    this.home = options.hasOwnHome === true ? ownHomeDirectory(options.jobMarker.value) : undefined
  }

  /** Whether a script is under way. */
  get isBusy(): boolean {
    return this.#running > 0
  }

  /** Whether the job may still have processes. */
  get isUnclean(): boolean {
    return this.#processes.mayLiveOn || this.isBusy
  }

  get handle(): EnvironmentHandle | undefined {
    const { shell, jobMarker, buildsDir, concurrentId, guardsLogin } = this
    const { detach, project, hasOwnHome = false } = this.#options
    if (detach === undefined) return undefined
    return {
      shell,
      jobMarker: jobMarker.value,
      buildsDir,
      concurrentId,
      ...(project !== undefined && { project }),
      hasOwnHome,
      guardsLogin,
    }
  }

  /** The connection that was used last. */
  get connection(): Connection {
    return this.#connection.current
  }

  /** What the job's scripts may have left on the machine, beside what their relays remove. */
  get leftovers(): readonly DetachedLeftover[] {
    const { buildsDir, jobMarker } = this
    if (this.#options.detach === undefined) return []
    return this.#scripts.map((relay, index) => ({
      buildsDir,
      jobMarker,
      index,
      hasLostRelay: relay === undefined || relay.isLost,
    }))
  }

  /** Lets another job have what passed this one's output on. To be called when the job's processes are ended. */
  giveRelayBack(): void {
    if (this.#relay === undefined) return
    const { connection, relay } = this.#relay
    this.#relay = undefined
    this.#forgetOutput = this.#options.relays.giveBack(
      connection,
      this.buildsDir,
      relay,
      !this.#wasKilled && !this.isUnclean,
    )
  }

  /** The next process would know how the job ended: what its machine kept of its output is of no use any more. */
  forgetOutput(): void {
    this.#forgetOutput()
  }

  async run(run: ScriptRun): Promise<ScriptEnd> {
    const { signal } = run
    if (signal.aborted && run.resumed !== undefined) {
      // It may run already.
      this.#scripts.push(undefined)
      await this.#stop()
    }
    if (run.resumed !== undefined) this.#isTouched = true
    return await this.#stoppable(signal, (given, onStarted) => this.#runScript(run, onStarted, given))
  }

  async transfer(transfer: FileTransfer): Promise<ScriptEnd> {
    const { signal } = transfer
    const command = transferCommand({ command: transfer.command, jobMarker: this.jobMarker })
    const run = new TransferRun({ ...transfer, command })
    try {
      return await this.#stoppable(signal, async (given, onStarted) => {
        try {
          return endOf(
            await this.#connection.run((current, whenStarted) => run.on(current, given, whenStarted), given, onStarted),
          )
        } catch (error) {
          if (given.aborted || run.callersError !== undefined || !this.#connection.isLost(error)) throw error
          throw await this.#afterCut(error, given)
        }
      })
    } catch (error) {
      if (signal.aborted || run.callersError === undefined) throw error
      throw run.callersError.error
    }
  }

  /** Gets another connection, and ends what is left of a transfer. Rejects where that cannot be done. */
  async #afterCut(cause: unknown, signal: AbortSignal): Promise<EnvironmentError> {
    const { detach, clock } = this.#options
    {
      using limit = deadline(clock, detach?.reconnectGraceMs ?? reconnectMs, () => cause as Error, signal)
      await this.#connection.replace(limit.signal)
    }
    await this.killAll()
    return new EnvironmentError('cut', `${this.description}: the connection was lost during a file transfer`, { cause })
  }

  /**
   * Does something on the machine. When `signal` aborts, every process of the job is ended before this rejects with its
   * reason; `given` aborts then, and when the machine is lost.
   */
  async #stoppable(
    signal: AbortSignal,
    act: (given: AbortSignal, onStarted: () => void) => Promise<ScriptEnd>,
  ): Promise<ScriptEnd> {
    const { acquisition } = this.#options
    const onStarted = (): void => {
      this.#isTouched = true
    }
    const failure = (error: unknown): unknown => (isComplete(error) ? error : this.#failure(error))
    this.#running++
    try {
      return await runStoppable({ acquisition, signal, stop: () => this.#stop(), failure, onStarted }, act)
    } finally {
      this.#running--
    }
  }

  condemn(reason: string): void {
    this.#options.acquisition.condemn(reason)
  }

  async killAll(): Promise<void> {
    this.#wasKilled = true
    try {
      await this.#processes.end()
    } catch (error) {
      throw error instanceof EnvironmentError ? error : this.#failure(error)
    }
  }

  /** One more attempt to end what is left of a job that was given up: see `JobProcesses.sweep`. */
  sweep(): Promise<boolean> {
    return this.#processes.sweep()
  }

  async #stop(): Promise<void> {
    try {
      await this.killAll()
    } catch (error) {
      // Why the job was stopped says more about it than this.
      this.#options.logger.warn(
        { instance: this.#options.acquisition.instanceId, err: error },
        'a job was stopped, but may still have processes',
      )
    }
  }

  async #runScript(run: ScriptRun, onStarted: () => void, signal: AbortSignal): Promise<ScriptEnd> {
    const { acquisition, detach, claims, loginPrints, spaceLooks, clock, logger } = this.#options
    const { shell, jobMarker, buildsDir } = this
    const loginPrint = loginPrints.get(this.connection)
    const start = async (
      { script, relayed, ...output }: StartedScript,
      relay: OutputRelay | undefined,
      connection: Connection,
      whenStarted: () => void,
    ) => {
      const command = shellCommand({
        shell,
        jobMarker,
        scriptBytes: script.length,
        tellsShell: relay !== undefined && loginPrint === undefined,
        loginPrint,
      })
      const way = relay !== undefined && relayed !== undefined ? { relay: { via: relay, relayed } } : {}
      return await runCommand(connection, {
        command,
        script,
        ...output,
        stderr: run.stderr,
        ...way,
        onStarted: whenStarted,
        clock,
        signal,
      })
    }
    const index = this.#scripts.push(undefined) - 1
    const claim = claims?.claim(this.connection, acquisition.instanceId, acquisition.slot)
    // What follows a job's first script runs with what room there is: the job itself may have taken it.
    const minFreeKib = (): number | undefined => (index === 0 ? spaceLooks.due(this.connection) : undefined)
    if (detach === undefined && claim === undefined && minFreeKib() === undefined)
      return endOf(
        await this.#connection.run(
          (current, whenStarted) => start(run, undefined, current, whenStarted),
          signal,
          onStarted,
        ),
      )
    const detached = new DetachedRun(
      {
        reconnectGraceMs: detach?.reconnectGraceMs ?? 0,
        claim,
        script: { buildsDir, jobMarker, index },
        description: this.description,
        shell,
        loginPrint,
        onShell: (print) => {
          if (print === undefined) loginPrints.delete(this.connection)
          else loginPrints.set(this.connection, print)
        },
        minFreeKib,
        onSpace: (isKnown) => spaceLooks.passed(this.connection, acquisition.instanceId, isKnown),
        start: (make) =>
          this.#connection.run(
            async (current, whenStarted) => {
              const relay = detach && (await this.#relayOf(current, detach, index, signal))
              this.#scripts[index] = relay
              return await start(make(relay), relay, current, whenStarted)
            },
            signal,
            onStarted,
          ),
        connection: () => this.connection,
        reconnect: (limit) => this.#connection.replace(limit),
        isLost: (error) => !acquisition.signal.aborted && this.#connection.isLost(error),
        onReconnected: (outageMs) =>
          logger.info(
            { instance: acquisition.instanceId, outage_seconds: loggedSeconds(outageMs) },
            'a job continues after its connection was lost',
          ),
        clock,
      },
      run,
      signal,
    )
    return detached.run()
  }

  /** The job keeps its relay as long as the connection lasts. */
  async #relayOf(
    connection: Connection,
    { limitBytes }: DetachOptions,
    index: number,
    signal: AbortSignal,
  ): Promise<OutputRelay | undefined> {
    if (this.#relay?.connection === connection && !this.#relay.relay.isLost) return this.#relay.relay
    const relay = await this.#options.relays
      .take(connection, { buildsDir: this.buildsDir, limitBytes }, signal)
      .catch((error: unknown): undefined => {
        // The job itself may have filled the disk: what follows its first script runs without.
        if (index === 0 || !(error instanceof UnwritableError)) throw error
      })
    this.#relay = relay && { connection, relay }
    return relay
  }

  #failure(error: unknown): EnvironmentError {
    const { acquisition } = this.#options
    const message = error instanceof Error ? error.message : String(error)
    if (!acquisition.signal.aborted && !this.#connection.isLost(error))
      return new EnvironmentError('failed', `${this.description}: ${message}`, { cause: error })
    this.#processes.abandon('it was lost during the job')
    const { reason } = acquisition.signal
    const isInterruption = reason instanceof InstanceLostError && reason.wasAnnounced
    const options = { cause: error, isInterruption, isUntouched: !this.#isTouched, isGone: acquisition.signal.aborted }
    return new EnvironmentError('lost', `${this.description} was lost: ${message}`, options)
  }
}

/** Whether an error says all that a job needs to know, also of its machine. */
function isComplete(error: unknown): boolean {
  return error instanceof EnvironmentError && ['cut', 'unwritable', 'occupied'].includes(error.code)
}

function endOf(status: ExitStatus): ScriptEnd {
  return 'code' in status ? { exitCode: status.code } : status
}
