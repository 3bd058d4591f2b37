import type { Clock } from '../clock.ts'
import type { JobStage } from '../job-stage.ts'

/** Characters of a line; texts of a job stand in it. */
const longestLine = 8192
/**
 * Characters that are kept for the next manager: of what a login prints, and with lines and warnings. Sections and
 * errors are few, and are always said.
 */
const maxAside = 256 * 1024
const maxSaid = 1024 * 1024

const reset = '\x1b[0;m'
const clearLine = '\x1b[0K'
const replaceLine = `\r${clearLine}`

/** Where a job's output goes; the trace. A string is what the runner says, bytes are what the job printed. */
export interface JobTrace {
  write(chunk: Buffer | string): void | Promise<void>
  /** Masks one more value from here on. */
  addSecret?(secret: string): void
}

/** Words of the runner about a job, and where they stand. */
export interface SaidText {
  /** See {@link LogRecord.position}. */
  readonly at: number
  readonly text: string
}

/** What somebody else needs to write the same log again, up to a point, from the same output of the job. JSON. */
export interface LogRecord {
  /**
   * How far the job had come: a byte of its scripts' output, markers included, counts one, and so does each script's
   * begin and end.
   */
  readonly position: number
  /** All that was said up to there, in order. */
  readonly said: readonly SaidText[]
}

export interface JobLogOptions {
  readonly trace: JobTrace
  readonly clock: Pick<Clock, 'wallTime'>
  /** Whether the coordinator folds sections (`features.trace_sections`). */
  readonly sections: boolean
  /**
   * Called when a stage begins, and with undefined when the stage under way ends and none follows at once. Must not
   * throw.
   */
  readonly onStage?: ((stage: JobStage | undefined) => void) | undefined
  /**
   * Up to its position the log says what this says, whatever it is told to say: the job's output from its beginning on
   * makes the same log again.
   */
  readonly record?: LogRecord | undefined
}

/**
 * Writes what the runner says about a job, in GitLab's words and colours, between the job's own output. What it says is
 * collected, and written before the next output or by `flush`, so that neighbouring lines cost one write.
 */
export class JobLog {
  readonly #options: JobLogOptions
  #said: SaidText[] = []
  #saidLength = 0
  #isCut = false
  #position = 0
  #committed = { position: 0, said: 0 }
  /** What is still to be said again. */
  #replay: { readonly position: number; readonly said: readonly SaidText[]; next: number } | undefined
  readonly #onReplayed: (() => void)[] = []
  #pending = ''
  #stage: JobStage | undefined
  #atLineStart = true
  /** Whether the line that was said last is to be replaced. */
  #isOnProgress = false

  constructor(options: JobLogOptions) {
    this.#options = options
    if (options.record !== undefined) this.#replay = { ...options.record, next: 0 }
  }

  /** What was said so far, up to the last {@link commit}; while that is being said again, all that was. */
  get record(): LogRecord {
    if (this.#replay !== undefined) return { position: this.#replay.position, said: this.#replay.said }
    return { position: this.#committed.position, said: this.#said.slice(0, this.#committed.said) }
  }

  /** The job has come further: by so many bytes of output whose consequences were all said, or by one event. */
  advance(by: number): void {
    this.#position += by
    if (this.#replay !== undefined && this.#position >= this.#replay.position) this.endReplay()
  }

  /** Nothing that was said is pending, and nothing more will be said about what was before this position. */
  commit(): void {
    if (this.#replay === undefined && this.#pending === '')
      this.#committed = { position: this.#position, said: this.#said.length }
  }

  /** Calls back when all that was said before has been said again: at once when nothing was. */
  whenReplayed(callback: () => void): void {
    if (this.#replay === undefined) callback()
    else this.#onReplayed.push(callback)
  }

  /**
   * Says all that was said before, and from now on what it is told to, also where the job's output does not reach the
   * place where that was said.
   */
  endReplay(): void {
    if (this.#replay === undefined) return
    this.#sayAgain(Number.POSITIVE_INFINITY)
    this.#position = Math.max(this.#position, this.#replay.position)
    this.#said = [...this.#replay.said]
    this.#saidLength = this.#said.reduce((sum, { text }) => sum + text.length, 0)
    // The other manager may have died while a line was to be replaced: it stays.
    const last = this.#said.at(-1)
    if (last !== undefined && last.at >= this.#replay.position && !/(\n|\x1b\[0K)$/.test(last.text))
      this.#atLineStart = false
    this.#isOnProgress = false
    this.#replay = undefined
    this.#pending = ''
    this.commit()
    for (const callback of this.#onReplayed.splice(0)) callback()
  }

  /**
   * None of the job's output has come yet, and its first is to come from elsewhere: all that was said stands before it.
   */
  restart(): void {
    this.#said = this.#said.map(({ text }) => ({ at: 0, text }))
    this.#position = 0
    this.commit()
  }

  /**
   * Output that is not the script's, such as a login's greeting: it will not come again, so it is kept; beyond 256 Ki
   * characters it is left out.
   */
  aside(bytes: Buffer): void | Promise<void> {
    if (bytes.length === 0 || this.#replay !== undefined) return
    if (this.#saidLength + bytes.length > maxAside) return this.#cut()
    this.#atLineStart = bytes[bytes.length - 1] === 0x0a
    this.#endProgress()
    const isCommitted = this.#pending === '' && this.#committed.said === this.#said.length
    void this.flush()
    const text = bytes.toString()
    this.#said.push({ at: this.#position, text })
    this.#saidLength += text.length
    if (isCommitted) this.#committed = { ...this.#committed, said: this.#said.length }
    return this.#options.trace.write(bytes)
  }

  line(text: string): void {
    if (this.#saidLength + this.#pending.length > maxSaid) this.#cut()
    else this.#say(`${shortened(text)}\n`)
  }

  warning(text: string): void {
    if (this.#saidLength + this.#pending.length > maxSaid) this.#cut()
    else this.#say(`${clearLine}\x1b[0;33mWARNING: ${shortened(text)}${reset}\n`)
  }

  /** A line that the next text replaces: how far something has come. */
  progress(text: string): void {
    if (this.#saidLength + this.#pending.length > maxSaid) this.#cut()
    else {
      this.#say(shortened(text))
      this.#isOnProgress = true
    }
  }

  success(text: string): void {
    this.#say(`${clearLine}\x1b[32;1m${text}${reset}\n`)
  }

  error(text: string): void {
    this.#say(`${clearLine}\x1b[31;1mERROR: ${shortened(text)}${reset}\n`)
  }

  /**
   * Ends the section of the stage under way and begins another one's, with its title. `at`: wall time; default: now.
   */
  begin(stage: JobStage, title: string, at: number = this.#options.clock.wallTime()): void {
    if (this.#stage !== undefined) this.#mark('end', this.#stage, at)
    this.#stage = stage
    this.#options.onStage?.(stage)
    this.#mark('start', stage, at)
    this.#say(`${clearLine}\x1b[36;1m${title}${reset}\n`)
  }

  /** Ends the section of the stage under way, if there is one. `at`: wall time; default: now. */
  end(at: number = this.#options.clock.wallTime()): void {
    if (this.#stage === undefined) return
    this.#mark('end', this.#stage, at)
    this.#stage = undefined
    this.#options.onStage?.(undefined)
  }

  /** The job's own output, passed on as it is. While the promise is pending, no more may come. */
  output(bytes: Buffer): void | Promise<void> {
    if (bytes.length === 0) return
    this.#atLineStart = bytes[bytes.length - 1] === 0x0a
    if (this.#replay !== undefined) {
      this.#pending = ''
      this.#sayAgain(this.#position)
    } else this.#endProgress()
    if (this.#pending === '') return this.#options.trace.write(bytes)
    return this.#writePendingThen(bytes)
  }

  async flush(): Promise<void> {
    if (this.#pending === '') return
    const pending = this.#pending
    this.#pending = ''
    if (this.#replay !== undefined) return
    this.#said.push({ at: this.#position, text: pending })
    this.#saidLength += pending.length
    await this.#options.trace.write(pending)
  }

  /** What comes next is not said by this log: it replaces the line as well. */
  #endProgress(): void {
    if (this.#isOnProgress) this.#pending += replaceLine
    this.#isOnProgress = false
  }

  #sayAgain(position: number): void {
    const replay = this.#replay!
    for (
      let next = replay.said[replay.next];
      next !== undefined && next.at <= position;
      next = replay.said[replay.next]
    ) {
      replay.next++
      void this.#options.trace.write(next.text)
    }
  }

  async #writePendingThen(bytes: Buffer): Promise<void> {
    await this.flush()
    await this.#options.trace.write(bytes)
  }

  /** Says once that something is not said. */
  #cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#say(`${clearLine}\x1b[0;33mWARNING: ${cutNotice}${reset}\n`)
  }

  #mark(what: 'start' | 'end', section: string, at: number): void {
    if (!this.#options.sections) return
    const seconds = Math.floor(at / 1000)
    this.#say(`section_${what}:${seconds}:${section}\r${clearLine}`)
    // The marker ends with "carriage return, clear line": what follows begins a line.
    this.#atLineStart = true
  }

  /** Never on a line that the job left open: it would be glued to it, or clear it. */
  #say(text: string): void {
    // GitLab clears a line at its carriage return: one that ended with it would never be seen.
    const start = this.#isOnProgress ? replaceLine : this.#atLineStart ? '' : '\n'
    this.#isOnProgress = false
    this.#pending += `${start}${text}`
    this.#atLineStart = true
  }
}

const cutNotice = "the login or the runner printed more than is kept besides the job's output: the rest is dropped"

function shortened(text: string): string {
  return text.length <= longestLine ? text : `${text.slice(0, longestLine)}… (${text.length} characters)`
}
