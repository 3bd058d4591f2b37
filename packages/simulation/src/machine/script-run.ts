import type { CancelTimer, Clock } from '@runner-core/fleeting'
import type { GeneratedScript, ScriptPart } from './generated-script.ts'
import { type Act, printed } from './job-program.ts'
import type { MachineProcess } from './machine-process.ts'

/** Of a job. */
export type ScriptName = 'step' | 'after_script'

/** What a script does to its machine. */
export interface ScriptSurroundings {
  readonly clock: Clock
  /** Seconds, as `/proc/uptime` has them. */
  readonly uptime: () => string
  readonly hostname: string
  /** Words that say why nothing can be written, as a look at the disk has them; undefined: something can. */
  readonly trouble: () => string | undefined
  readonly print: (bytes: Buffer) => void
  readonly fill: (bytes: number) => void
  /** Starts a process that stays. */
  readonly leave: () => void
  /** Whether processes of the job are there beside its shell. */
  readonly hasOthers: () => boolean
  /** Its job says which it is, and which of its scripts. */
  readonly named: (job: string, script: ScriptName) => void
  readonly said: (line: string) => void
  /** It has come to its end: how its stages ended, whether it was sure to have left nothing, and when. */
  readonly ended: (status: number, sweep: 'swept' | 'unswept', uptime: string) => void
}

/** A script that takes longer is never sure to have left nothing: see `quickCheck`. */
const quickMs = 2000
/** How a shell says that `TERM` ended a command. */
const terminated = 143

/** A shell that runs a generated script. */
export class ScriptRun {
  readonly #script: GeneratedScript
  readonly #around: ScriptSurroundings
  readonly #process: MachineProcess
  readonly #startedAt: number
  #status = 0
  #job = '?'
  #cancel: CancelTimer = () => {}
  /** What follows the lines under way. */
  #next: (() => void) | undefined
  #isOver = false

  constructor(script: GeneratedScript, process: MachineProcess, around: ScriptSurroundings) {
    this.#script = script
    this.#around = around
    this.#process = process
    this.#startedAt = around.clock.now()
  }

  /** Goes on until it has ended, or was killed. */
  start(): void {
    if (this.#script.prepares && this.#around.trouble() !== undefined) this.#status = 1
    this.#runParts(0)
  }

  kill(): void {
    this.#isOver = true
    this.#cancel()
  }

  /** Whatever its own lines have started is asked to end; the shell around them goes on. */
  endLines(): void {
    const next = this.#next
    if (this.#isOver || next === undefined) return
    this.#cancel()
    this.#next = undefined
    this.#status = terminated
    next()
  }

  #runParts(from: number): void {
    const { parts } = this.#script
    for (let index = from; index < parts.length; index += 1) {
      const part = parts[index]!
      if ('trouble' in part) this.#tellTrouble()
      else if ('markers' in part) this.#mark(part, index === parts.length - 1)
      else if (this.#status === 0) {
        this.#runLines(part.lines, 0, () => this.#runParts(index + 1))
        return
      }
    }
    if (this.#isOver) return
    this.#isOver = true
    this.#around.ended(this.#status, this.#sweep, this.#around.uptime())
  }

  #tellTrouble(): void {
    const trouble = this.#status === 0 ? undefined : this.#around.trouble()
    if (trouble !== undefined) this.#around.print(Buffer.from(`\x1e${this.#script.nonce} unwritable ${trouble}\x1e`))
  }

  #runLines(lines: readonly { readonly shown: string; readonly act: Act }[], from: number, then: () => void): void {
    for (let index = from; index < lines.length && this.#status === 0; index += 1) {
      const { shown, act } = lines[index]!
      this.#around.print(Buffer.from(`\x1b[32;1m$ ${shown}\x1b[0;m\n`))
      const waitMs = this.#do(act)
      if (waitMs === 0) continue
      this.#next = then
      if (waitMs !== Number.POSITIVE_INFINITY)
        this.#cancel = this.#around.clock.after(waitMs, () => {
          this.#next = undefined
          if (!this.#isOver) this.#runLines(lines, index + 1, then)
        })
      return
    }
    if (!this.#isOver) then()
  }

  /** How long it takes, milliseconds. */
  #do(act: Act): number {
    if ('job' in act) {
      this.#job = act.job
      this.#around.named(act.job, 'step')
    } else if ('after' in act) {
      this.#job = act.after
      this.#around.named(act.after, 'after_script')
    } else if ('print' in act) {
      const line = printed(this.#job, act.print)
      this.#around.print(Buffer.from(`${line}\n`))
      this.#around.said(line)
    } else if ('secret' in act) this.#around.print(Buffer.from(`${act.secret}\n`))
    else if ('leave' in act) this.#around.leave()
    else if ('stubborn' in act) this.#process.isStubborn = true
    else if ('fillBytes' in act) this.#around.fill(act.fillBytes)
    else if ('exit' in act) this.#status = act.exit
    else if ('sleepMs' in act) return act.sleepMs
    else if ('hang' in act) return Number.POSITIVE_INFINITY
    return 0
  }

  get #sweep(): 'swept' | 'unswept' {
    const { clock, hasOthers } = this.#around
    return clock.now() - this.#startedAt < quickMs && !hasOthers() ? 'swept' : 'unswept'
  }

  #mark({ markers, words }: Extract<ScriptPart, { readonly markers: unknown }>, isLast: boolean): void {
    if (this.#status !== 0 && !isLast) return
    const { hostname, uptime } = this.#around
    const values: Readonly<Record<string, string>> = {
      '"$s"': hostname,
      '"$1"': '/home/ci',
      '"$2"': String(this.#status),
      '"$rc_t"': uptime(),
      $rc_s: this.#sweep,
    }
    let next = 0
    const text = markers
      .map((body) => {
        const said = body.replaceAll('%s', () => {
          const word = words[next++] ?? ''
          const value = values[word]
          if (value === undefined) throw new Error(`the world does not know what a script has in ${word}`)
          return value
        })
        return `\x1e${this.#script.nonce} ${said}\x1e`
      })
      .join('')
    this.#around.print(Buffer.from(text))
  }
}
