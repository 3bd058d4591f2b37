import { type AttemptBook, type Books, type JobBook, ownScript } from './books.ts'
import type { HistoryRecord, TroubleKind } from './history.ts'
import type { CreateRule, Report } from './rule.ts'

/** Whoever heard that an end was taken has so long to make sure that nobody tells it again, milliseconds. */
const keptWithinMs = 60_000
/**
 * A job without a script that failed after a longer wait had a reason which this onlooker cannot judge, milliseconds.
 */
const judgedWaitMs = 60_000
/** What another process left is dealt with by then, milliseconds. */
const settlingMs = 60_000
/**
 * Hand-outs that may be dropped by what could not be written, until it was known: as many as were asked for at once.
 */
const maxDropsOfATrouble = 8

/** For these a job that runs may fail. */
export const excusing: readonly TroubleKind[] = [
  'unreachable',
  'interrupted',
  'misreported',
  'machine_disk',
  'refused',
  'trace_limit',
]
const excusingBeforeScripts: readonly TroubleKind[] = [...excusing, 'cloud', 'boot', 'coordinator', 'state']

interface ToldEnd {
  readonly by: string
  readonly at: number
  readonly state: string
  readonly isKnown: boolean
}

/** Each job ends exactly once: told by one, taken once, and not told again by those who know. */
export const jobsEndOnce: CreateRule = (report) => {
  const ended = new Map<string, string>()
  const told = new Map<string, ToldEnd[]>()
  return {
    see(record, books) {
      if (record.kind === 'ended') {
        const end = `${record.state} by ${record.by}`
        const before = ended.get(record.job)
        if (before !== undefined) report('job ended twice', `${record.job}: ${before}, then ${end}`)
        else ended.set(record.job, end)
      }
      if (record.kind !== 'end_told') return
      const { job, attempt, by, state, answer, heard, at } = record
      const key = JSON.stringify([job, attempt])
      const ends = told.get(key) ?? []
      const known = ends.find((end) => end.isKnown && (end.by === by || wasKept(end, books)))
      if (known !== undefined)
        report(
          'end told again',
          `${job} (${attempt}) by ${by}, though ${known.by} heard ${at - known.at} ms before that it was taken`,
        )
      const other = ends.find((end) => end.state !== state && !books.mayBeForgotten(end.at))
      if (
        other !== undefined &&
        books.jobs.get(job)?.cancelAskedAt === undefined &&
        !books.wasTroubled(['state'], {}, other.at, at)
      )
        report('end told otherwise', `${job} (${attempt}): ${other.state} by ${other.by}, then ${state} by ${by}`)
      ends.push({ by, at, state, isKnown: heard && answer === 'taken' })
      told.set(key, ends)
    },
  }
}

/** Whether who knew of the end lived long enough to see to it that the next process knows too. */
function wasKept({ by, at }: ToldEnd, books: Books): boolean {
  const { endedAt = Number.POSITIVE_INFINITY } = books.processes.get(by) ?? {}
  const until = Math.min(endedAt, books.at)
  return until - at >= keptWithinMs && !books.wasTroubled(['state'], {}, at, until)
}

/** No job is lost: what was handed out is accepted, what was accepted ends, and when all is over nothing waits. */
export const jobsEnd: CreateRule = (report) => {
  let drops = 0
  return {
    see(record, books) {
      if (record.kind === 'trouble' && record.what === 'state') drops = 0
      if (record.kind === 'taken_back') {
        const attempt = books.attempt(record.job, record.attempt)
        if (attempt === undefined || !wasDropped(attempt, record.at, books) || isConfused(record.job, attempt, books))
          return
        if (books.wasTroubled(['state'], {}, attempt.handedOutAt, record.at) && ++drops <= maxDropsOfATrouble) return
        report(
          'job dropped',
          `${record.job} (${attempt.attempt}) was handed out to ${attempt.to}, which never tried to accept it`,
        )
      }
      if (record.kind === 'ended' && record.by === 'abandoned') {
        const { acceptedAt } = books.jobs.get(record.job)?.last ?? {}
        if (acceptedAt === undefined || !books.mayBeForgotten(acceptedAt))
          report('job given up by the coordinator', record.job)
      }
      if (record.kind !== 'over') return
      for (const { job, endedAt, last } of books.jobs.values())
        if (endedAt === undefined)
          report('job not ended', `${job}${last === undefined ? '' : `, last handed out to ${last.to}`}`)
    },
  }
}

/**
 * Who just started may hold the job by an earlier hand-out still, which another process kept: until it hears that this
 * one is over it cannot tell them apart.
 */
function isConfused(job: string, { attempt, to, handedOutAt }: AttemptBook, books: Books): boolean {
  const { startedAt = Number.NEGATIVE_INFINITY } = books.processes.get(to) ?? {}
  const others = [...(books.jobs.get(job)?.attempts.values() ?? [])]
  return (
    handedOutAt - startedAt <= settlingMs &&
    others.some((other) => other.attempt !== attempt && other.handedOutAt < handedOutAt)
  )
}

function wasDropped({ to, heard, acceptTried, handedOutAt }: AttemptBook, at: number, books: Books): boolean {
  const process = books.processes.get(to)
  const lived = process === undefined || (process.endedAt > at && process.stoppingAt > at)
  return heard && !acceptTried && lived && !books.wasTroubled(['coordinator'], {}, handedOutAt, at)
}

/** Ends are true: who succeeded did so on a machine, who failed did so there or met with something. */
export const endsAreTrue: CreateRule = (report) => ({
  see(record, books) {
    if (record.kind !== 'ended' || record.by !== 'runner') return
    const job = books.jobs.get(record.job)
    if (job?.last === undefined) return
    const own = job.last.runs.filter(({ script }) => script === ownScript)
    if (record.state === 'success') {
      if (!own.some(({ exit }) => exit === 0)) report('end is not true', `${record.job} succeeded: ${endsOf(own)}`)
    } else if (record.reason === 'script_failure') {
      if (!own.some(({ exit }) => exit !== 0 && exit !== undefined))
        report('end is not true', `${record.job} failed by its script: ${endsOf(own)}`)
    } else if (record.state === 'failed') judgeFailure(record, job, job.last, books, report)
  },
})

function endsOf(runs: readonly { readonly run: string; readonly exit: number | 'killed' | undefined }[]): string {
  return runs.length === 0
    ? 'its script never started'
    : runs.map(({ run, exit }) => `${run} ended with ${exit ?? 'nothing yet'}`).join(', ')
}

function judgeFailure(
  { at, reason = 'no reason' }: HistoryRecord & { kind: 'ended' },
  { job, cancelAskedAt }: JobBook,
  { to, runs, handedOutAt, acceptedAt }: AttemptBook,
  books: Books,
  report: Report,
): void {
  if (cancelAskedAt !== undefined || reason === 'job_execution_timeout') return
  const process = books.processes.get(to)
  if (process !== undefined && process.stoppingAt <= at) return
  const [fleet] = books.fleets.values()
  const survives = fleet?.resumes ?? false
  if (!survives && process !== undefined && process.endedAt <= at) return
  if (runs.length === 0) {
    const isLong = at - (acceptedAt ?? handedOutAt) > judgedWaitMs
    if (isLong || books.wasTroubled(excusingBeforeScripts, 'anything', handedOutAt, at)) return
  } else if (
    runs.some(({ machine }) => books.wasTroubled(excusing, { job, machine }, handedOutAt, at) || died(machine, books))
  )
    return
  // That it had ended is lost with the power, if nobody had told it long before.
  if (runs.some(({ endedAt }) => endedAt !== undefined && books.wasTroubled(['power'], {}, endedAt, at))) return
  report('job failed without need', `${job}: ${reason}; ${endsOf(runs)}`)
}

function died(machine: string, books: Books): boolean {
  const state = books.machines.get(machine)?.state
  return state === 'dead' || state === 'gone'
}

/** Keeps the state of jobs in the books: last of all, so that rules see a job as it was before its end. */
export const noteEnds: CreateRule = () => ({
  see(record, books) {
    if (record.kind !== 'ended') return
    const job = books.jobs.get(record.job)
    if (job === undefined) return
    job.endedAt ??= record.at
    job.endState ??= record.state
  },
})
