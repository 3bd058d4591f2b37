import type { Clock } from '../clock.ts'
import type { JobStage } from './job-stage.ts'

const reset = '\x1b[0;m'
const clearLine = '\x1b[0K'

/** Where a job's output goes; the trace. A string is what the runner says, bytes are what the job printed. */
export interface JobTrace {
  write(chunk: Buffer | string): void | Promise<void>
  /** Masks one more value from here on. */
  addSecret?(secret: string): void
}

export interface JobLogOptions {
  readonly trace: JobTrace
  readonly clock: Pick<Clock, 'wallTime'>
  /** Whether the coordinator folds sections (`features.trace_sections`). */
  readonly sections: boolean
  /** Called when a stage begins, and with undefined when the stage under way ends and none follows at once. Must not throw. */
  readonly onStage?: ((stage: JobStage | undefined) => void) | undefined
}

/**
 * Writes what the runner says about a job, in GitLab's words and colours, between the job's own output. What it says is collected, and written before the
 * next output or by `flush`, so that neighbouring lines cost one write.
 */
export class JobLog {
  readonly #options: JobLogOptions
  #pending = ''
  #stage: JobStage | undefined
  #atLineStart = true

  constructor(options: JobLogOptions) {
    this.#options = options
  }

  line(text: string): void {
    this.#say(`${text}\n`)
  }

  warning(text: string): void {
    this.#say(`${clearLine}\x1b[0;33mWARNING: ${text}${reset}\n`)
  }

  success(text: string): void {
    this.#say(`${clearLine}\x1b[32;1m${text}${reset}\n`)
  }

  error(text: string): void {
    this.#say(`${clearLine}\x1b[31;1mERROR: ${text}${reset}\n`)
  }

  /** Ends the section of the stage under way and begins another one's, with its title. */
  begin(stage: JobStage, title: string): void {
    if (this.#stage !== undefined) this.#mark('end', this.#stage)
    this.#stage = stage
    this.#options.onStage?.(stage)
    this.#mark('start', stage)
    this.#say(`${clearLine}\x1b[36;1m${title}${reset}\n`)
  }

  /** Ends the section of the stage under way, if there is one. */
  end(): void {
    if (this.#stage === undefined) return
    this.#mark('end', this.#stage)
    this.#stage = undefined
    this.#options.onStage?.(undefined)
  }

  /** The job's own output, passed on as it is. While the promise is pending, no more may come. */
  output(bytes: Buffer): void | Promise<void> {
    if (bytes.length === 0) return
    this.#atLineStart = bytes[bytes.length - 1] === 0x0a
    if (this.#pending === '') return this.#options.trace.write(bytes)
    return this.#writePendingThen(bytes)
  }

  async flush(): Promise<void> {
    if (this.#pending === '') return
    const pending = this.#pending
    this.#pending = ''
    await this.#options.trace.write(pending)
  }

  async #writePendingThen(bytes: Buffer): Promise<void> {
    await this.flush()
    await this.#options.trace.write(bytes)
  }

  #mark(what: 'start' | 'end', section: string): void {
    if (!this.#options.sections) return
    const seconds = Math.floor(this.#options.clock.wallTime() / 1000)
    this.#say(`section_${what}:${seconds}:${section}\r${clearLine}`)
    // The marker ends with "carriage return, clear line": what follows begins a line.
    this.#atLineStart = true
  }

  /** Never on a line that the job left open: it would be glued to it, or clear it. */
  #say(text: string): void {
    this.#pending += this.#atLineStart ? text : `\n${text}`
    this.#atLineStart = true
  }
}
