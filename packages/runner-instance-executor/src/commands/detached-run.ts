import { type Clock, type Connection, deadline, delay, type ExitStatus, type OutputSink } from '@runner-core/fleeting'
import {
  claimedScript,
  type DetachedScript,
  detachedScript,
  EnvironmentError,
  followScript,
  loginShellPrint,
  readDiskTrouble,
  type ScriptEnd,
  type ScriptRun,
  type ShellName,
  type SlotClaim,
  StartMark,
} from '@runner-core/job'
import { type FollowEnd, followCommand } from './follow-command.ts'
import type { OutputRelay } from './output-relay.ts'
import { UnwritableError } from './unwritable-error.ts'

export interface DetachOptions {
  /** Bytes of a script's output that its machine keeps. */
  readonly limitBytes: number
  /** How long a machine may be out of reach under a script, milliseconds, until it is lost. */
  readonly reconnectGraceMs: number
}

/** A script with the sinks of its output: what the command itself prints, and what comes by the relay. */
export interface StartedScript extends Pick<ScriptRun, 'script' | 'stdout' | 'isComplete'> {
  readonly relayed?: OutputSink
}

export interface DetachedRunOptions extends Pick<DetachOptions, 'reconnectGraceMs'> {
  readonly script: DetachedScript
  /** Absent: nothing on the machine says who has the slot. */
  readonly claim?: SlotClaim | undefined
  /** For people: the machine. */
  readonly description: string
  readonly shell: ShellName
  /**
   * What the machine's login shell is known to be like; takes what it said, and undefined when it may be another one
   * now.
   */
  readonly loginPrint: string | undefined
  readonly onShell: (print: string | undefined) => void
  /** Room that the script must find, KiB; undefined: it does not look. */
  readonly minFreeKib: () => number | undefined
  /** There is room, or it `isKnown` to nobody. */
  readonly onSpace: (isKnown: boolean) => void
  /**
   * Runs as a script of the job what `make` gives for the relay that there is, if there is one; rejects as `runCommand`
   * does.
   */
  readonly start: (make: (relay: OutputRelay | undefined) => StartedScript) => Promise<ExitStatus>
  /** The connection to use now. */
  readonly connection: () => Connection
  /** Gets another connection; goes on trying until the signal aborts. */
  readonly reconnect: (signal: AbortSignal) => Promise<void>
  /** Whether an error is the loss of the connection. */
  readonly isLost: (error: unknown) => boolean
  readonly onReconnected: (outageMs: number) => void
  readonly clock: Clock
}

/**
 * Pauses before a script that could neither be started nor found is tried again, milliseconds. The first time it may
 * just have met another's end or begin.
 */
const pausesMs = [0, 1000, 3000]
const unclear = 'a script could not be started there for an unknown reason'

/** Why a script does not run: `unwritable` with what the machine told. */
type NotStarted = 'taken' | 'gone' | 'absent' | 'torn' | { readonly unwritable: string }

/**
 * One script of a job that outlives its connection: started once, and followed over as many connections as it takes.
 */
export class DetachedRun {
  readonly #options: DetachedRunOptions
  readonly #run: Omit<ScriptRun, 'signal'>
  readonly #signal: AbortSignal
  /** Bytes of the script's output that were delivered. */
  #received = 0
  /** Since when the script has been out of reach. */
  #lostAt: number | undefined
  /** False where the machine could not detach the script. */
  #isDetached = true
  /** How often it could not be started, nor found. */
  #failures = 0

  /** `signal`: gives it up; what it started may live on. */
  constructor(options: DetachedRunOptions, run: Omit<ScriptRun, 'signal'>, signal: AbortSignal) {
    this.#options = options
    this.#run = run
    this.#signal = signal
  }

  /** Runs it to its end. Rejects as `runCommand` does. */
  async run(): Promise<ScriptEnd> {
    const { resumed } = this.#run
    let follows = resumed !== undefined
    while (resumed?.untilBytes === undefined || this.#received < resumed.untilBytes) {
      try {
        const end = follows ? await this.#follow() : await this.#start()
        if (typeof end === 'object' && !('unwritable' in end)) return end
        if (end !== 'gone' && typeof end === 'string' && resumed?.untilBytes !== undefined)
          throw new EnvironmentError('failed', 'the output of an earlier script of the job is gone')
        // Its end may have been told, and what it left removed, by a process that could not keep that.
        if (end === 'absent' && resumed?.mayStart?.() === false)
          throw new EnvironmentError('failed', 'the script is not started: its job is stopping')
        await this.#pause(end)
        follows = end === 'taken' || end === 'torn'
      } catch (error) {
        if (!this.#isDetached || this.#signal.aborted || !this.#options.isLost(error)) throw error
        await this.#reconnect(error)
        follows = true
      }
    }
    return { exitCode: 0 }
  }

  /** Before it is tried again; rejects when it was tried often enough. */
  async #pause(why: NotStarted): Promise<void> {
    const { clock, description, script } = this.#options
    const trouble = typeof why === 'object' ? readDiskTrouble(why.unwritable, script.buildsDir) : undefined
    // A full disk does not get empty at once.
    if (trouble !== undefined) this.#failures = Math.max(1, this.#failures)
    const pauseMs = pausesMs[this.#failures++]
    if (pauseMs === undefined) {
      if (trouble !== undefined)
        throw new EnvironmentError('unwritable', `${description}: ${trouble.message}`, { isUntouched: true })
      throw new EnvironmentError('failed', unclear)
    }
    if (trouble !== undefined)
      await this.#run.stderr(
        Buffer.from(`\x1b[33;1m${description}: ${trouble.message}. Trying again in ${pauseMs / 1000} s.\x1b[0;m\n`),
      )
    if (pauseMs > 0) await delay(clock, pauseMs, this.#signal)
  }

  async #start(): Promise<ScriptEnd | NotStarted> {
    const { script, shell, start, loginPrint, onShell, claim, description, onSpace } = this.#options
    const { nonce, isComplete, stderr } = this.#run
    const tellsShell = loginPrint === undefined
    const minFreeKib = this.#options.minFreeKib()
    let mark = new StartMark(nonce)
    let kind: string | undefined
    let told = ''
    let used: OutputRelay | undefined
    const onOwnOutput = (chunk: Buffer): void | Promise<void> => {
      if (kind === 'attached') return this.#take(chunk)
      // A greeting that took its time.
      if (kind !== undefined) return stderr(chunk)
      const begun = mark.push(chunk)
      if (begun === undefined) return
      kind = begun.kind
      told = begun.told
      const space = minFreeKib === undefined ? undefined : /^([-+]) ?(.*)$/s.exec(begun.told)
      if (space) onSpace(space[1] === '+')
      const print = loginShellPrint(space?.[2] ?? begun.told)
      if (print !== undefined) onShell(print)
      this.#isDetached = kind !== 'attached'
      const said = begun.noise.length > 0 ? stderr(begun.noise) : undefined
      return said === undefined ? this.#take(begun.rest) : said.then(() => this.#take(begun.rest))
    }
    const isRefused = (): boolean => kind !== undefined && ['taken', 'gone', 'unwritable', 'occupied'].includes(kind)
    const onRelayed = (chunk: Buffer): void | Promise<void> => {
      if (kind !== undefined || tellsShell || minFreeKib !== undefined) return this.#take(chunk)
      kind = 'detached'
      const greeting = mark.end()
      const said = greeting.length > 0 ? stderr(greeting) : undefined
      return said === undefined ? this.#take(chunk) : said.then(() => this.#take(chunk))
    }
    const started = start((relay): StartedScript => {
      mark = new StartMark(nonce)
      used = relay
      if (relay === undefined) {
        this.#isDetached = false
        if (claim !== undefined || minFreeKib !== undefined) {
          const claimed = { ...script, script: this.#run.script, claim, minFreeKib, nonce }
          return { script: claimedScript(claimed), stdout: onOwnOutput, isComplete: () => isRefused() || isComplete() }
        }
        kind = 'attached'
        return { script: this.#run.script, stdout: (chunk) => this.#take(chunk), isComplete }
      }
      const detached = {
        ...script,
        script: this.#run.script,
        shell,
        nonce,
        relay: relay.name,
        relayOffset: relay.keptBytes,
        tellsShell,
        claim,
        minFreeKib,
      }
      return {
        script: detachedScript(detached),
        stdout: onOwnOutput,
        relayed: onRelayed,
        isComplete: () => isRefused() || isComplete(),
      }
    })
    let status: ExitStatus
    try {
      status = await started
    } catch (error) {
      if (error instanceof UnwritableError) return { unwritable: error.told }
      throw error
    }
    if (kind === 'taken') return 'taken'
    if (kind === 'unwritable') return { unwritable: told }
    if (kind === 'occupied') {
      const message = `${description}: processes of another job (${told}) may be running there`
      throw new EnvironmentError('occupied', message, { isUntouched: script.index === 0 })
    }
    if (kind === 'gone') {
      used?.giveUp()
      return 'gone'
    }
    if (kind === undefined) {
      onShell(undefined)
      await stderr(mark.end())
    }
    return 'code' in status ? { exitCode: status.code } : status
  }

  async #follow(): Promise<ScriptEnd | 'absent' | 'torn'> {
    const { script, connection, clock } = this.#options
    const { nonce, resumed } = this.#run
    const isComplete = (): boolean =>
      resumed?.untilBytes === undefined ? this.#run.isComplete() : this.#received >= resumed.untilBytes
    const end = await followCommand(connection(), {
      script: followScript({ ...script, nonce, offset: this.#received }),
      nonce,
      stdout: (chunk) => this.#take(chunk),
      onFound: (uptime) => {
        this.#run.resumed?.onFound?.(uptime)
        this.#found()
      },
      isComplete,
      clock,
      signal: this.#signal,
    })
    return end === 'complete'
      ? { exitCode: 0 }
      : end === 'absent' || end === 'torn'
        ? end
        : await this.#endWithoutLastWord(end)
  }

  /** The script was killed, or printed more than its machine keeps, its last word included. */
  async #endWithoutLastWord({ status }: Exclude<FollowEnd, string>): Promise<ScriptEnd> {
    if (status === undefined) return { signal: 'KILL' }
    const { nonce, stderr } = this.#run
    const [exitStatus, sweep, uptime = ''] = status.split(' ')
    await stderr(
      Buffer.from(
        '\n\x1b[33;1mOutput was lost: the instance keeps only a limited amount while it is unreachable.\x1b[0;m\n',
      ),
    )
    await this.#take(Buffer.from(`\x1e${nonce} end ${exitStatus} ${uptime}\x1e\x1e${nonce} ${sweep}\x1e`))
    return { exitCode: 0 }
  }

  #take(given: Buffer): void | Promise<void> {
    const { untilBytes } = this.#run.resumed ?? {}
    const bytes = untilBytes === undefined ? given : given.subarray(0, untilBytes - this.#received)
    this.#received += bytes.length
    if (bytes.length > 0) return this.#run.stdout(bytes)
  }

  #found(): void {
    if (this.#lostAt === undefined) return
    this.#options.onReconnected(this.#options.clock.now() - this.#lostAt)
    this.#lostAt = undefined
  }

  /** Rejects when the grace is over, and with the signal's reason. */
  async #reconnect(loss: unknown): Promise<void> {
    const { reconnectGraceMs, reconnect, clock } = this.#options
    this.#lostAt ??= clock.now()
    const leftMs = Math.max(0, this.#lostAt + reconnectGraceMs - clock.now())
    const message = `${messageOf(loss)}; it could not be reached again within ${reconnectGraceMs / 1000} s`
    using limit = deadline(clock, leftMs, () => new EnvironmentError('lost', message, { cause: loss }), this.#signal)
    await reconnect(limit.signal)
    this.#failures = 0
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
