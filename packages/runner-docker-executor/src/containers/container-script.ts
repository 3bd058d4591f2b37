import { type Clock, type Logger, loggedSeconds } from '@runner-core/fleeting'
import { EnvironmentError, type ScriptEnd, type ScriptRun } from '@runner-core/job'
import { AnswerWatch } from '../engine/answer-watch.ts'
import type { Engine } from '../engine/engine.ts'
import { EngineError, isGone } from '../engine/engine-error.ts'
import type { EngineLink } from '../engine/engine-link.ts'
import { type ContainerState, containerState } from './container-state.ts'
import { hasEnded, killContainer } from './end-container.ts'
import { execOutput } from './exec.ts'
import { followOutput, readFrames } from './follow-output.ts'
import type { OutputFrame } from './frame-reader.ts'
import { MarkerWatch, openedScript } from './marker-watch.ts'
import { OutputPosition } from './output-position.ts'

export interface ContainerScriptOptions {
  readonly link: EngineLink
  /** Name or id of a container that reads a script from its standard input, once for each start. */
  readonly container: string
  /** For people: the place. */
  readonly description: string
  /**
   * When the container was started last before this script, as its Engine wrote it; empty: it never was. What it
   * printed then is not this script's.
   */
  readonly startedBefore: string
  /** How long the Engine may be out of reach under the script, milliseconds. */
  readonly reconnectGraceMs: number
  /** How often the Engine is asked whether it answers, milliseconds. One that does not is out of reach. */
  readonly askIntervalMs: number
  readonly onStarted: (state: ContainerState) => void
  readonly clock: Clock
  readonly logger: Logger
}

/** How often the container of a script that goes on is started, where none of the script comes to it. */
const maxStarts = 3
/** How long a container may take to end once its script has said its last word. */
const endMs = 3000
/** Of what a container prints, the mark of its script is within so much: what its entrypoint says comes first. */
const longestOpening = 16 * 1024
/** Of an Engine that empties a log that is full. The script may have run, and is not run again. */
const lostLog = 'what is left of its output does not say whether the script has run: the Engine has dropped the rest'
/** As the instance executor says it. */
const gapNotice = '\n\x1b[33;1mOutput was lost: more than the Engine keeps while it is out of reach.\x1b[0;m\n'

/**
 * One script of a job in a container, followed over as many connections as it takes, and by as many managers.
 *
 * The container's shell has the script on its standard input. All of a script stands in one pair of braces, so that a
 * shell to which only a part of it came runs nothing of it. What it prints is read from the log that the Engine keeps.
 */
export class ContainerScript {
  readonly #options: ContainerScriptOptions
  readonly #run: Omit<ScriptRun, 'signal'>
  readonly #signal: AbortSignal
  readonly #markers: MarkerWatch
  /** As the option; what came of a start that came to nothing is not the script's either. */
  #startedBefore: string
  /** In this start's output. */
  readonly #position = new OutputPosition()
  /** Bytes of it that were delivered as the script's. */
  #received = 0
  #hasGap = false
  /** Read, but not delivered. */
  readonly #held: OutputFrame[] = []
  /** Whether the container may have been started for it. */
  #mayRun: boolean
  /** Whether only a part of the script may have come to the container that was started last. */
  #mayBeCut: boolean
  /** Whether somebody whose connection, or life, ended asked for a start that may happen late. */
  #mayStartLate: boolean
  #starts = 0
  /** Starts whose container ended before it had taken what was sent. */
  #earlyEnds = 0
  /** Since when it is out of reach. */
  #lostAt: number | undefined

  /** `signal`: gives it up; the container lives on. */
  constructor(options: ContainerScriptOptions, run: Omit<ScriptRun, 'signal'>, signal: AbortSignal) {
    this.#options = options
    this.#run = run
    this.#signal = signal
    this.#startedBefore = options.startedBefore
    this.#markers = new MarkerWatch(run.nonce)
    this.#mayRun = this.#mayBeCut = this.#mayStartLate = run.resumed !== undefined
  }

  /** Runs it to its end. Rejects with `EngineError`, `EnvironmentError`, and the signal's reason. */
  async run(): Promise<ScriptEnd> {
    const { resumed } = this.#run
    for (;;) {
      try {
        const engine = await this.#engine()
        using watch = this.#watch(engine)
        const end = this.#mayRun ? await this.#goOn(engine, watch.signal) : await this.#start(engine, watch.signal)
        if (end !== 'not started') return end
        if (resumed?.mayStart?.() === false)
          throw new EnvironmentError('failed', 'the script is not started: its job is stopping')
        if (resumed?.untilBytes !== undefined)
          throw new EnvironmentError('failed', 'the output of an earlier script of the job is gone')
        this.#mayRun = false
      } catch (error) {
        if (this.#signal.aborted) throw error
        if (this.#mayRun && isGone(error)) {
          const why = 'its container was removed while the script ran in it'
          throw new EnvironmentError('failed', `${why}: ${error.message}`, { cause: error })
        }
        if (!this.#options.link.isLost(error)) throw error
        await this.#reconnect(error)
      }
    }
  }

  #engine(): Promise<Engine> {
    return this.#options.link.engine(this.#signal)
  }

  #watch(engine: Engine): AnswerWatch {
    const { askIntervalMs: intervalMs, clock } = this.#options
    return new AnswerWatch(engine, { intervalMs, clock, signal: this.#signal })
  }

  async #start(engine: Engine, signal: AbortSignal): Promise<ScriptEnd | 'not started'> {
    const { container, onStarted } = this.#options
    const during = `starting container ${container}`
    const attach = `/containers/${container}/attach?stream=1&stdin=1&stdout=1&stderr=1`
    const attached = await engine.connect(during, signal, attach)
    attached.on('error', () => {})
    this.#mayBeCut = false
    this.#mayRun = true
    this.#starts += 1
    try {
      await engine
        .call(during, signal, (docker, abortSignal) => docker.getContainer(container).start({ abortSignal }))
        .catch(unlessStarted)
      const state = await containerState(engine, container, signal)
      onStarted(state)
      attached.end(openedScript(this.#run.script, this.#run.nonce))
      const reading = `reading the output of container ${container}`
      const isWhole = await readFrames(attached, reading, signal, (frame) => this.#take(frame, 'start'))
      return isWhole ? await this.#goOn(engine, signal) : await this.#lastWord(engine, signal)
    } catch (error) {
      if (!(await this.#hasEndedUnder(error, engine, signal))) throw error
      this.#earlyEnds += 1
      this.#mayBeCut = this.#earlyEnds < maxStarts
      return await this.#goOn(engine, signal)
    } finally {
      attached.destroy()
    }
  }

  /** Whether sending failed since the container has ended: Podman then closes its input. */
  async #hasEndedUnder(error: unknown, engine: Engine, signal: AbortSignal): Promise<boolean> {
    if (!(error instanceof EngineError) || error.code !== 'unreachable' || signal.aborted) return false
    const { code } = (error.cause ?? {}) as { readonly code?: unknown }
    if (code !== 'EPIPE' && code !== 'ECONNRESET') return false
    const { status } = await containerState(engine, this.#options.container, signal)
    return status === 'exited'
  }

  /** What an earlier connection, or manager, may have started. */
  async #goOn(engine: Engine, signal: AbortSignal): Promise<ScriptEnd | 'not started'> {
    const { container, onStarted } = this.#options
    let state = await containerState(engine, container, signal)
    if (state.startedAt === this.#startedBefore) return 'not started'
    onStarted(state)
    this.#found()
    if (state.status === 'running') await this.#tellUptime(engine, signal)
    this.#position.rewind()
    for (;;) {
      // The end of a log that is followed may be missing, but not once its container has ended.
      const isLast = state.status === 'exited'
      const isWhole = await followOutput(engine, {
        container,
        // What it printed before it was started is none: all it ever printed is cheaper to ask for.
        startedAt: this.#startedBefore === '' ? undefined : state.startedAt,
        take: (frame) => this.#take(frame, 'log'),
        signal,
      })
      if (!isWhole) return await this.#lastWord(engine, signal)
      if (isLast) return await this.#end(engine, state)
      this.#position.rewind()
      state = await containerState(engine, container, signal)
    }
  }

  async #lastWord(engine: Engine, signal: AbortSignal): Promise<ScriptEnd> {
    const { container, clock } = this.#options
    // Of a script that ended before its manager did. Another one may run there now.
    if (this.#run.resumed?.untilBytes !== undefined) return { exitCode: 0 }
    // What goes on behind the script, such as an entrypoint, would take the input of the next one.
    if (!(await hasEnded(engine, container, endMs, clock, signal))) await killContainer(engine, container, signal)
    return { exitCode: 0 }
  }

  async #end(
    engine: Engine,
    { exitCode, wasOutOfMemory, startedAt }: ContainerState,
  ): Promise<ScriptEnd | 'not started'> {
    const { untilBytes } = this.#run.resumed ?? {}
    if (untilBytes !== undefined) {
      // How it ended is known already.
      if (this.#received < untilBytes) await this.#tellGap()
      return { exitCode: 0 }
    }
    if (this.#markers.first !== undefined || this.#hasGap) return wasOutOfMemory ? { signal: 'KILL' } : { exitCode }
    if (
      this.#run.resumed !== undefined &&
      this.#starts === 0 &&
      engine.isPodman &&
      // What a shell says of a script that was cut goes elsewhere.
      this.#held.some(({ stream, bytes }) => stream === 'stdout' && bytes.length > 0)
    )
      throw new EnvironmentError('failed', lostLog)
    // Nothing of the script came, or only a part, of which nothing was run. A start that was asked for over a
    // connection that broke may happen late, instead of ours. The container then ends without the script that we sent.
    if (this.#mayBeCut || (this.#mayStartLate && this.#starts < maxStarts)) {
      this.#startedBefore = startedAt
      this.#position.forget()
      this.#held.splice(0)
      this.#received = 0
      return 'not started'
    }
    await this.#deliverHeld()
    if (wasOutOfMemory) return { signal: 'KILL' }
    const what = `it ended with exit code ${exitCode} before a shell had read the script`
    throw new EnvironmentError('failed', `the image's entrypoint does not run the shell that it is given: ${what}`)
  }

  /** False once no more is wanted. */
  async #take(frame: OutputFrame, from: 'start' | 'log'): Promise<boolean> {
    const { stream } = frame
    const { bytes, isGap } = this.#position.next(frame)
    if (stream === 'stdout') this.#markers.push(bytes)
    this.#held.push({ stream, bytes })
    const isBegun = this.#markers.first !== undefined || this.#position.total > longestOpening
    if (isGap || (from === 'log' && isBegun && this.#markers.first !== 'opened' && !this.#hasGap)) {
      await this.#tellGap()
      // Nobody knows where an earlier script's output ends there.
      if (this.#run.resumed?.untilBytes !== undefined) return false
    }
    // Until its mark comes, it may be what is left of another script's.
    if (from === 'log' && !isBegun) return true
    return await this.#deliverHeld()
  }

  async #deliverHeld(): Promise<boolean> {
    let isWanted = true
    for (const { stream, bytes } of this.#held.splice(0))
      if (bytes.length > 0) isWanted = await this.#deliver(stream, bytes)
    return isWanted
  }

  async #deliver(stream: OutputFrame['stream'], bytes: Buffer): Promise<boolean> {
    const { stdout, stderr, isComplete, resumed } = this.#run
    if (stream === 'stderr') {
      // Of a script that goes on it was told before.
      if (resumed === undefined) await stderr(bytes)
      return true
    }
    const { untilBytes } = resumed ?? {}
    const wanted = untilBytes === undefined ? bytes : bytes.subarray(0, untilBytes - this.#received)
    this.#received += wanted.length
    if (wanted.length > 0) await stdout(wanted)
    return untilBytes === undefined ? !isComplete() : this.#received < untilBytes
  }

  async #tellGap(): Promise<void> {
    this.#hasGap = true
    await this.#run.stderr(Buffer.from(gapNotice))
  }

  async #tellUptime(engine: Engine, signal: AbortSignal): Promise<void> {
    const { onFound } = this.#run.resumed ?? {}
    if (onFound === undefined) return
    try {
      const command = ['sh', '-c', 'read -r u r </proc/uptime && echo "$u"']
      const uptime = await execOutput(engine, { container: this.#options.container, command, signal })
      if (/^\d+\.\d+$/.test(uptime.trim())) onFound(uptime.trim())
    } catch (error) {
      // It may have ended meanwhile. A connection that broke is noticed by what follows.
      if (!(error instanceof EngineError)) throw error
    }
  }

  #found(): void {
    const { clock, logger, description } = this.#options
    if (this.#lostAt === undefined) return
    const outageMs = clock.now() - this.#lostAt
    this.#lostAt = undefined
    logger.info(
      { place: description, outage_seconds: loggedSeconds(outageMs) },
      'a job continues after its connection was lost',
    )
  }

  /** Rejects when the grace is over, and with the signal's reason. */
  async #reconnect(loss: unknown): Promise<void> {
    const { link, reconnectGraceMs, clock } = this.#options
    this.#mayBeCut = this.#mayStartLate = true
    this.#lostAt ??= clock.now()
    await link.regain(loss, { graceMs: reconnectGraceMs, lostAt: this.#lostAt }, this.#signal)
  }
}

/** Somebody else, perhaps a manager that was killed, has had it started. */
function unlessStarted(error: unknown): void {
  if (!(error instanceof EngineError) || error.status !== 304) throw error
}
