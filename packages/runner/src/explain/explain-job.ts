import { type Decision, durationText } from '@runner-core/taskscaler'
import { fateOf, type JobFate, type JobHistory } from './job-history.ts'
import type { KeptRecord } from './kept-record.ts'

/** Why a job waited, and when it got its slot. */
export interface JobExplanation {
  readonly job: string
  readonly fate: JobFate
  /** How long it waited: in GitLab's queue before it was handed out, and then for a slot, milliseconds. */
  readonly queuedMs: number
  readonly waitedMs: number
  /**
   * What it waited for, machine-readable, in the order of appearance: what a `hold` or `refuse` names (`max_instances`,
   * `backoff`, `breaker`, `throttle`, `preemptive_mode`, `shutdown`), `schedule`, or `launch` when an instance had to
   * be made for it. Empty: it did not wait, or for nothing that is on record.
   */
  readonly because: readonly string[]
  readonly history: JobHistory
  /** What was decided while it waited, and what was in force when that began. */
  readonly meanwhile: readonly Decision[]
}

/** A job that waited for less has not waited: a request for a job, or a connection, takes as long. */
const noWaitMs = 5_000

/** Undefined when the record has no such job. */
export function explainJob(job: string, { decisions, jobs }: KeptRecord, wallTime: number): JobExplanation | undefined {
  const history = jobs.findLast((each) => each.job === job)
  if (history === undefined) return undefined
  const { cameAt, queuedMs, placed, ended } = history
  const beganAt = cameAt - queuedMs
  const gotAt = placed?.at ?? ended?.at ?? wallTime
  const waitedMs = Math.max(0, gotAt - cameAt)
  const explanation = { job, fate: fateOf(history), queuedMs, waitedMs, history }
  if (history.waits.length === 0 && queuedMs + waitedMs < noWaitMs)
    return { ...explanation, because: [], meanwhile: [] }
  // Once it is here, a promise that is refused is somebody else's.
  const concerns = ({ kind, at }: Decision): boolean =>
    waitKinds.has(kind) && (at < cameAt || (kind !== 'refuse' && kind !== 'accept'))
  const meanwhile = [
    ...inForce(decisions, beganAt),
    ...decisions.filter(({ at }) => at >= beganAt && at <= gotAt),
  ].filter(concerns)
  return { ...explanation, because: causes(meanwhile), meanwhile }
}

const waitKinds: ReadonlySet<Decision['kind']> = new Set([
  'policy',
  'increase',
  'launch_failed',
  'hold',
  'resume',
  'refuse',
  'accept',
  'ready',
  'lost',
])

/** What was still so when the wait began: the policy, and what held launches or promises back. */
function inForce(decisions: readonly Decision[], at: number): Decision[] {
  const before = decisions.filter((decision) => decision.at < at)
  const last = (...kinds: Decision['kind'][]): Decision | undefined =>
    before.findLast(({ kind }) => kinds.includes(kind))
  const hold = last('hold', 'resume')
  const refusal = last('refuse', 'accept')
  return [last('policy'), hold?.kind === 'hold' ? hold : undefined, refusal?.kind === 'refuse' ? refusal : undefined]
    .filter((decision) => decision !== undefined)
    .toSorted((one, other) => one.at - other.at)
}

function causes(meanwhile: readonly Decision[]): string[] {
  const found = new Set<string>()
  const isScarce = meanwhile.some(({ kind }) => kind === 'increase' || kind === 'hold' || kind === 'refuse')
  for (const { kind, code } of meanwhile) {
    if ((kind === 'hold' || kind === 'refuse') && code !== undefined) found.add(code)
    // With enough machines the hour did not matter.
    else if (kind === 'policy' && code !== undefined && isScarce) found.add(code)
    else if (kind === 'increase') found.add('launch')
  }
  return [...found]
}

/** For people. */
export function jobLines({ job, fate, queuedMs, waitedMs, because, history, meanwhile }: JobExplanation): string[] {
  const { cameAt, placed, ended, waits } = history
  const total = queuedMs + waitedMs
  const waited =
    because.length === 0 && total < noWaitMs
      ? `did not wait (${durationText(total)})`
      : `${fate === 'waiting' ? 'waits' : 'waited'} ${durationText(total)}: ${durationText(queuedMs)} in GitLab's queue, ${durationText(waitedMs)} for a slot`
  const events = [
    ...meanwhile.map((decision) => ({ at: decision.at, text: decisionText(decision) })),
    { at: cameAt, text: 'GitLab assigned the job' },
    ...waits.map(({ at, why }) => ({ at, text: `job: ${why}` })),
    ...(placed === undefined ? [] : [{ at: placed.at, text: `job got its slot: ${placed.place}` }]),
    ...(ended === undefined ? [] : [{ at: ended.at, text: `job ended: ${ended.how}` }]),
  ]
  return [
    `job ${job} ${waited}`,
    ...(because.length === 0 ? [] : [`  because of: ${because.join(', ')}`]),
    ...events.toSorted((one, other) => one.at - other.at).map(({ at, text }) => `  ${timeText(at)}  ${text}`),
  ]
}

/** One decision, without its time. */
export function decisionText({ kind, code, count, placement, instance, reason }: Decision): string {
  const what = [
    kind.replace('_', ' '),
    ...(count === undefined ? [] : [kind === 'increase' ? `by ${count}` : `(${count})`]),
    ...(code === undefined || code === 'schedule' ? [] : [code]),
    ...(instance === undefined ? [] : [instance]),
    ...(placement === undefined ? [] : [`in ${placement}`]),
  ]
  return `${what.join(' ')}: ${reason}`
}

/** Coordinated universal time, as logs have it. */
export function timeText(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19)
}
