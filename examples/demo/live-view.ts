import { styleText } from 'node:util'

/** What is shown while the demo runs. */
export interface DemoState {
  readonly elapsedMs: number
  readonly jobs: {
    readonly total: number
    /** At the coordinator, not handed out yet. */
    readonly queued: number
    readonly running: number
    readonly done: number
    /** Ended otherwise than they must. */
    readonly wrong: number
  }
  readonly slots: { readonly used: number; readonly total: number }
  readonly instances: { readonly now: number; readonly peak: number; readonly most: number }
  /** Instances over the time so far, oldest first, one number a column. */
  readonly shape: readonly number[]
  /** Why the runner last asked for instances or removed some. */
  readonly reason: string
  /** The job that ended last, and how. */
  readonly lastEnd: string
}

const labelWidth = 11
const bars = ' ▁▂▃▄▅▆▇█'

/** Columns that a graph may take on a terminal of this width. */
export function graphWidth(terminalWidth: number): number {
  return Math.max(10, Math.min(60, terminalWidth - labelWidth - 46))
}

/** The live view, one string a line, each at most `width` columns wide. */
export function renderFrame(
  { elapsedMs, jobs, slots, instances, shape, reason, lastEnd }: DemoState,
  width: number,
): readonly string[] {
  const graph = graphWidth(width)
  const row = (label: string, picture: string, text: string): string => {
    const visible = clip(text, width - labelWidth - 2 - (picture === '' ? 0 : graph + 2))
    return `  ${styleText('bold', label.padEnd(labelWidth))}${picture}${picture === '' ? '' : '  '}${visible}`
  }
  const wrong = jobs.wrong === 0 ? '' : `, ${jobs.wrong} WRONG`
  return [
    row(
      'jobs',
      bar(jobs, graph),
      `${jobs.done}/${jobs.total} done, ${jobs.running} running, ${jobs.queued} waiting${wrong}`,
    ),
    row('slots', slotDots(slots, graph), `${slots.used} of ${slots.total} in use`),
    row(
      'instances',
      styleText('cyan', sparkline(shape, instances.most, graph)),
      `${instances.now} now, ${instances.peak} at most`,
    ),
    row('scaling', '', reason),
    row('last end', '', lastEnd),
    row('time', '', `${(elapsedMs / 1000).toFixed(1)} s`),
  ]
}

/** One line of progress, for where there is no terminal. */
export function renderLine({ elapsedMs, jobs, slots, instances, reason }: DemoState): string {
  return [
    `${(elapsedMs / 1000).toFixed(0).padStart(4)} s`,
    `jobs ${jobs.done}/${jobs.total} done, ${jobs.running} running, ${jobs.queued} waiting${jobs.wrong === 0 ? '' : `, ${jobs.wrong} WRONG`}`,
    `slots ${slots.used}/${slots.total}`,
    `instances ${instances.now}`,
    reason,
  ].join(' | ')
}

function bar({ total, done, running, queued }: DemoState['jobs'], width: number): string {
  const upTo = (count: number): number => Math.round((count / total) * width)
  const [doneTo, runningTo, queuedTo] = [upTo(done), upTo(done + running), upTo(done + running + queued)]
  return [
    styleText('green', '█'.repeat(doneTo)),
    styleText('yellow', '█'.repeat(runningTo - doneTo)),
    styleText('red', '▒'.repeat(queuedTo - runningTo)),
    styleText('dim', '·'.repeat(width - queuedTo)),
  ].join('')
}

function slotDots({ used, total }: DemoState['slots'], width: number): string {
  const shown = Math.min(total, width)
  const shownUsed = total === 0 ? 0 : Math.round((used / total) * shown)
  return `${styleText('yellow', '●'.repeat(shownUsed))}${styleText('dim', '○'.repeat(shown - shownUsed))}${' '.repeat(width - shown)}`
}

function sparkline(shape: readonly number[], most: number, width: number): string {
  const columns = shape.slice(-width).map((count) => bars[Math.ceil((count / most) * (bars.length - 1))] ?? '█')
  return columns.join('').padEnd(width)
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}
