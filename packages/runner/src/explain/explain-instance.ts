import { type Decision, durationText } from '@runner-core/taskscaler'
import { decisionText, timeText } from './explain-job.ts'
import type { JobHistory } from './job-history.ts'
import type { KeptRecord } from './kept-record.ts'

/** Why an instance was made, what it did, and why it went. */
export interface InstanceExplanation {
  readonly instance: string
  /** What was decided about it. The first is, when it was asked for, the decision to make it. */
  readonly decisions: readonly Decision[]
  readonly jobs: readonly JobHistory[]
}

/** Undefined when the record knows nothing of it. */
export function explainInstance(instance: string, { decisions, jobs }: KeptRecord): InstanceExplanation | undefined {
  const about = decisions.filter((decision) => decision.instance === instance)
  const its = jobs.filter(({ placed }) => placed?.instance === instance)
  if (about.length === 0 && its.length === 0) return undefined
  const seen = about.find(({ kind }) => kind === 'seen')
  // The last launch before it was seen is the one that made it, or one of the same demand.
  const made = seen?.reason.startsWith('it was requested')
    ? decisions.findLast(({ kind, at }) => kind === 'increase' && at <= seen.at)
    : undefined
  return { instance, decisions: made === undefined ? about : [made, ...about], jobs: its }
}

const jobsShown = 20

/** For people. */
export function instanceLines({ instance, decisions, jobs }: InstanceExplanation): string[] {
  const events = [
    ...decisions.map((decision) => ({ at: decision.at, text: decisionText(decision) })),
    ...jobs
      .slice(-jobsShown)
      .flatMap(({ job, placed, ended }) => [
        { at: placed!.at, text: `job ${job} began: ${placed!.place}` },
        ...(ended === undefined
          ? []
          : [{ at: ended.at, text: `job ${job} ended after ${durationText(ended.at - placed!.at)}: ${ended.how}` }]),
      ]),
  ]
  const left = jobs.length > jobsShown ? `, the last ${jobsShown} shown` : ''
  return [
    `instance ${instance}: ${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'} on record${left}`,
    ...events.toSorted((one, other) => one.at - other.at).map(({ at, text }) => `  ${timeText(at)}  ${text}`),
  ]
}
