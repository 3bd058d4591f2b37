import type { Clock } from '../clock.ts'

/** Who wrote: the job's own commands, or the runner about the job. */
export type TraceAuthor = 'job' | 'runner'

/** What somebody else needs to give the lines of the same text the same times again. JSON. */
export interface LineTimesRecord {
  /** Bytes of the text whose times are known. */
  readonly textBytes: number
  /**
   * For each step three numbers: bytes of text since the step before, milliseconds since it (the first one's since
   * 1970), and the author (0 runner, 1 job).
   */
  readonly steps: readonly number[]
}

export interface LineTimesOptions {
  readonly clock: Pick<Clock, 'wallTime'>
  /** Of the same text, as an earlier manager kept it. Default: none. */
  readonly record?: LineTimesRecord | undefined
}

/** From here on, until the next step, text came at this time, from this author. */
interface Step {
  readonly at: number
  readonly time: number
  readonly author: TraceAuthor
}

/**
 * Output that comes sooner after a step belongs to it, milliseconds: the more steps a long job has, the longer they
 * are, since all of them are kept.
 */
const gaps: readonly { readonly steps: number; readonly gapMs: number }[] = [
  { steps: 500, gapMs: 10 },
  { steps: 5_000, gapMs: 1_000 },
  { steps: Number.POSITIVE_INFINITY, gapMs: 10_000 },
]

const streams: Readonly<Record<TraceAuthor, string>> = { runner: '00', job: '01' }

/**
 * When the text of a log came, and the beginning of each of its lines that says so, as GitLab reads it
 * (`FF_TIMESTAMPS`): the time in UTC with microseconds, the number of the stream in two hexadecimal digits (`00` what
 * the runner says, `01` the job), `O` for output, and a space for a line that is not the continuation of another.
 * Errors go where output goes, so there is no `E`.
 *
 * Times are counted by positions in the text before masking, so that they do not depend on how it was cut.
 */
export class LineTimes {
  readonly #clock: Pick<Clock, 'wallTime'>
  readonly #steps: Step[]
  /** Text before it is told apart by what was kept of it. */
  readonly #known: number
  #textBytes = 0
  /** The step of the last line that began. */
  #current = 0

  constructor({ clock, record }: LineTimesOptions) {
    this.#clock = clock
    this.#steps = record === undefined ? [] : stepsOf(record)
    this.#known = record?.textBytes ?? 0
  }

  get record(): LineTimesRecord {
    const steps: number[] = []
    let [at, time] = [0, 0]
    for (const step of this.#steps) {
      steps.push(step.at - at, step.time - time, step.author === 'job' ? 1 : 0)
      ;({ at, time } = step)
    }
    return { textBytes: Math.max(this.#textBytes, this.#known), steps }
  }

  /** The next `bytes` of the text have come now. */
  came(bytes: number, author: TraceAuthor): void {
    const at = Math.max(this.#textBytes, this.#known)
    this.#textBytes += bytes
    if (this.#textBytes <= at) return
    const last = this.#steps.at(-1)
    const time = Math.max(this.#clock.wallTime(), last?.time ?? 0)
    const { gapMs } = gaps.find(({ steps }) => this.#steps.length < steps)!
    if (last === undefined || last.author !== author || time - last.time >= gapMs)
      this.#steps.push({ at, time, author })
  }

  /** The beginning of a line whose first byte is at `position` of the text; of none that is before an earlier one. */
  lineStart(position: number): string {
    for (
      let next = this.#steps[this.#current + 1];
      next !== undefined && next.at <= position;
      next = this.#steps[this.#current + 1]
    )
      this.#current++
    const { time, author } = this.#steps[this.#current]!
    return `${new Date(time).toISOString().slice(0, -1)}000Z ${streams[author]}O `
  }
}

function stepsOf({ steps }: LineTimesRecord): Step[] {
  const whole: Step[] = []
  let [at, time] = [0, 0]
  for (let index = 0; index + 2 < steps.length; index += 3) {
    at += steps[index]!
    time += steps[index + 1]!
    whole.push({ at, time, author: steps[index + 2] === 1 ? 'job' : 'runner' })
  }
  return whole
}
