import { type Clock, deadline, type Logger } from '@runner-core/fleeting'
import {
  EnvironmentError,
  type FileTransfer,
  type HelperPlace,
  type ScriptEnd,
  type ScriptRun,
  type ShellName,
} from '@runner-core/job'
import { reconnectMs, runStoppable, type SweptEnvironment } from '@runner-core/runner-executor'
import { type Acquisition, InstanceLostError } from '@runner-core/taskscaler'
import type { ContainerCreateOptions } from 'dockerode'
import { filesContainerName, helperContainerName, jobContainerName } from './containers/container-names.ts'
import { ContainerScript } from './containers/container-script.ts'
import { containerState } from './containers/container-state.ts'
import { createContainer } from './containers/create-container.ts'
import { endContainer } from './containers/end-container.ts'
import { execInContainer } from './containers/exec.ts'
import type { FoundShell } from './containers/find-shell.ts'
import type { Engine } from './engine/engine.ts'
import { EngineError, isGone } from './engine/engine-error.ts'
import type { EngineLink } from './engine/engine-link.ts'

export interface DockerEnvironmentOptions {
  readonly acquisition: Acquisition
  readonly link: EngineLink
  /** Unique for this attempt to run the job; names of its containers begin with it. */
  readonly attempt: string
  /** For people: the image, and where. */
  readonly description: string
  readonly shell: FoundShell
  readonly buildsDir: string
  readonly concurrentId: number
  /** Whether other jobs work in the builds directory too. */
  readonly sharesBuilds: boolean
  readonly helper: HelperPlace
  /** How a container of the helper is made, but for its command. Absent: what it would do is done in the job's. */
  readonly helperContainer?: ContainerCreateOptions | undefined
  /** When the job's container was started before, as the Engine wrote it. @defaultValue never */
  readonly starts?: readonly string[]
  /**
   * What another manager needs beside {@link DockerEnvironmentOptions.starts}. Absent: scripts end with their manager.
   */
  readonly handle?: object | undefined
  /** How long a job's processes have from `TERM` to `KILL`, milliseconds. */
  readonly killGraceMs: number
  /** How long the Engine may be out of reach under a script, milliseconds. */
  readonly reconnectGraceMs: number
  /** See `ContainerScriptOptions`. */
  readonly askIntervalMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Name of the variable that marks a job's processes. Containers need none: it says which attempt they belong to. */
const jobMarkerName = 'RUNNER_CORE_JOB'

/**
 * A job's place in containers of one Engine: its own lines run in one, which is started once for its steps and again
 * for its `after_script`; its files are brought and kept in others, made from the helper image when there is something
 * to do.
 */
export class DockerEnvironment implements SweptEnvironment {
  readonly shell: ShellName
  readonly description: string
  readonly jobMarker: { readonly name: string; readonly value: string }
  readonly buildsDir: string
  readonly concurrentId: number
  readonly helper: HelperPlace
  readonly ownsBuildsDir: boolean
  readonly statusTerm = 'exit code'
  readonly #options: DockerEnvironmentOptions
  /** Of the job's container; the last one is under way, or was. */
  readonly #starts: string[]
  /** Containers that may run, with the path of a shell in each. */
  readonly #running = new Map<string, string>()
  #jobScripts = 0
  #helperScripts = 0
  /** The container in which files are moved, once there is one. */
  #files: Promise<string> | undefined
  #fileContainers = 0
  /** Whether any of the job's scripts may have begun. */
  #isTouched = false

  constructor(options: DockerEnvironmentOptions) {
    this.#options = options
    this.shell = options.shell.shell
    this.description = options.description
    this.jobMarker = { name: jobMarkerName, value: options.attempt }
    this.buildsDir = options.buildsDir
    this.concurrentId = options.concurrentId
    this.helper = options.helper
    this.ownsBuildsDir = !options.sharesBuilds
    this.#starts = [...(options.starts ?? [])]
  }

  get handle(): unknown {
    const { handle } = this.#options
    return handle && { ...handle, starts: [...this.#starts] }
  }

  /** Whether something of the job may still run. */
  get isUnclean(): boolean {
    return this.#running.size > 0
  }

  async run(run: ScriptRun): Promise<ScriptEnd> {
    const { signal } = run
    if (run.resumed !== undefined) this.#isTouched = true
    return await this.#stoppable(signal, (given, onStarted) =>
      run.place === 'helper' && this.#options.helperContainer !== undefined
        ? this.#runInHelper(run, given, onStarted)
        : this.#runInJob(run, given, onStarted),
    )
  }

  async transfer({ command, input, stdout, stderr, signal }: FileTransfer): Promise<ScriptEnd> {
    const { link } = this.#options
    return await this.#stoppable(signal, async (given, onStarted) => {
      try {
        const engine = await link.engine(given)
        this.#files ??= this.#openFiles(engine, given)
        const container = await this.#files
        const shellCommand = ['sh', '-c', command, 'sh', '/']
        const exec = {
          container,
          command: shellCommand,
          directory: '/',
          input,
          stdout,
          stderr,
          signal: given,
          onStarted,
        }
        return await execInContainer(engine, exec)
      } catch (error) {
        if (given.aborted) throw error
        if (isGone(error)) {
          this.#files = undefined
          throw new EnvironmentError('failed', 'its helper was removed under a transfer of files', { cause: error })
        }
        if (!link.isLost(error)) throw error
        await this.#regain(error, given)
        await this.killAll()
        throw new EnvironmentError('cut', 'the connection broke under a transfer of files', { cause: error })
      }
    })
  }

  async killAll(): Promise<void> {
    try {
      const { link, killGraceMs: graceMs, clock } = this.#options
      const limitMs = graceMs + 30_000
      const late = (): Error => new EngineError('timed_out', `its containers did not end within ${limitMs / 1000} s`)
      using limit = deadline(clock, limitMs, late)
      const { signal } = limit
      const engine = await link.engine(signal)
      await Promise.all(
        [...this.#running].map(async ([container, shellPath]) => {
          await endContainer(engine, { container, shellPath, graceMs, clock, signal })
          this.#running.delete(container)
        }),
      )
      await this.#closeFiles(engine, signal)
    } catch (error) {
      throw error instanceof EnvironmentError ? error : this.#failure(error)
    }
  }

  /** One more attempt to end what is left. Where that fails, the instance gets no more jobs. */
  async sweep(): Promise<boolean> {
    try {
      await this.killAll()
      return true
    } catch (error) {
      this.condemn(`containers of a job may run on: ${error instanceof Error ? error.message : String(error)}`)
      return false
    }
  }

  condemn(reason: string): void {
    this.#options.acquisition.condemn(reason)
  }

  async #runInJob(run: ScriptRun, signal: AbortSignal, onStarted: () => void): Promise<ScriptEnd> {
    const { attempt, shell } = this.#options
    const container = jobContainerName(attempt)
    // The script of an earlier manager may be the container's last start, or one before it.
    const index = this.#jobScripts++
    const startedBefore = this.#starts[index - 1] ?? ''
    this.#running.set(container, shell.path)
    const end = await this.#script(container, startedBefore, run, signal, (startedAt) => {
      this.#starts[index] ??= startedAt
      onStarted()
    })
    this.#running.delete(container)
    return end
  }

  async #runInHelper(run: ScriptRun, signal: AbortSignal, onStarted: () => void): Promise<ScriptEnd> {
    const { link, attempt } = this.#options
    const container = helperContainerName(attempt, this.#helperScripts++)
    const create = (engine: Engine): Promise<void> =>
      this.#create(engine, container, { OpenStdin: true, StdinOnce: true }, signal)
    const createUnlessThere = async (engine: Engine): Promise<void> => {
      if (!(await this.#exists(engine, container, signal))) await create(engine)
    }
    try {
      await (run.resumed === undefined ? create : createUnlessThere)(await link.engine(signal))
    } catch (error) {
      if (signal.aborted || !link.isLost(error)) throw error
      await createUnlessThere(await this.#regain(error, signal))
    }
    this.#running.set(container, 'sh')
    const end = await this.#script(container, '', run, signal, onStarted)
    this.#running.delete(container)
    return end
  }

  async #script(
    container: string,
    startedBefore: string,
    run: ScriptRun,
    signal: AbortSignal,
    onStarted: (startedAt: string) => void,
  ): Promise<ScriptEnd> {
    const { link, description, reconnectGraceMs, askIntervalMs, clock, logger } = this.#options
    const script = new ContainerScript(
      {
        link,
        container,
        description,
        startedBefore,
        reconnectGraceMs,
        askIntervalMs,
        onStarted: ({ startedAt }) => onStarted(startedAt),
        clock,
        logger,
      },
      run,
      signal,
    )
    return await script.run()
  }

  async #regain(loss: unknown, signal: AbortSignal): Promise<Engine> {
    const { link, reconnectGraceMs } = this.#options
    // Without a grace, scripts end with their connection; what is between them need not.
    return await link.regain(loss, { graceMs: reconnectGraceMs || reconnectMs }, signal)
  }

  /** A helper that does nothing by itself: each transfer is a command in it. */
  async #openFiles(engine: Engine, signal: AbortSignal): Promise<string> {
    const container = filesContainerName(this.#options.attempt, this.#fileContainers++)
    try {
      // Its shell waits for input that never comes.
      await this.#create(engine, container, { OpenStdin: true, StdinOnce: false }, signal)
      await engine.call(`starting container ${container}`, signal, (docker, abortSignal) =>
        docker.getContainer(container).start({ abortSignal }),
      )
      return container
    } catch (error) {
      this.#files = undefined
      throw error
    }
  }

  async #closeFiles(engine: Engine, signal: AbortSignal): Promise<void> {
    const container = await this.#files?.catch(() => undefined)
    if (container === undefined) return
    this.#files = undefined
    try {
      await engine.call(`removing container ${container}`, signal, (docker, abortSignal) =>
        docker.getContainer(container).remove({ force: true, v: true, abortSignal }),
      )
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  async #create(
    engine: Engine,
    name: string,
    options: Pick<ContainerCreateOptions, 'OpenStdin' | 'StdinOnce'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { helperContainer } = this.#options
    if (helperContainer === undefined) throw new EnvironmentError('failed', 'there is no helper for files of the job')
    const body = { ...helperContainer, ...options, Cmd: ['sh'] }
    await createContainer(engine, `creating container ${name}`, { name, body }, signal)
  }

  async #exists(engine: Engine, container: string, signal: AbortSignal): Promise<boolean> {
    try {
      await containerState(engine, container, signal)
      return true
    } catch (error) {
      if (error instanceof EngineError && error.code === 'not_found') return false
      throw error
    }
  }

  #stoppable(
    signal: AbortSignal,
    act: (given: AbortSignal, onStarted: () => void) => Promise<ScriptEnd>,
  ): Promise<ScriptEnd> {
    const { acquisition } = this.#options
    const onStarted = (): void => {
      this.#isTouched = true
    }
    const failure = (error: unknown): unknown => this.#failure(error)
    return runStoppable({ acquisition, signal, stop: () => this.#stop(), failure, onStarted }, act)
  }

  async #stop(): Promise<void> {
    try {
      await this.killAll()
    } catch (error) {
      // Why the job was stopped says more about it than this.
      this.#options.logger.warn(
        { instance: this.#options.acquisition.instanceId, err: error },
        'a job was stopped, but may still have containers',
      )
    }
  }

  #failure(error: unknown): unknown {
    const { acquisition, link, description } = this.#options
    if (error instanceof EnvironmentError && error.cause === undefined && !acquisition.signal.aborted) return error
    const message = error instanceof Error ? error.message : String(error)
    const isGone = acquisition.signal.aborted
    if (!isGone && !(error instanceof EngineError) && !(error instanceof EnvironmentError)) return error
    const isLost = isGone || link.isLost(error) || (error instanceof EnvironmentError && error.code === 'lost')
    const { reason } = acquisition.signal
    return new EnvironmentError(isLost ? 'lost' : environmentCode(error), `${description}: ${message}`, {
      cause: error,
      isInterruption: reason instanceof InstanceLostError && reason.wasAnnounced,
      isUntouched: !this.#isTouched,
      isGone,
    })
  }
}

/** What a failure on an Engine means for its instance. */
export function environmentCode(error: unknown): EnvironmentError['code'] {
  if (error instanceof EnvironmentError) return error.code
  return error instanceof EngineError && error.code === 'no_space' ? 'unwritable' : 'failed'
}
