/**
 * How one request for a job ended: `job` handed out · `none` there is none · `conflict` another runner was faster · `refused` the token is not accepted ·
 * `failed` no usable answer.
 */
export type PollResult = 'job' | 'none' | 'conflict' | 'refused' | 'failed'

export interface PollAnswer {
  readonly result: PollResult
  /** With `none`: the queue is not what it was at the last answer, so the server would park the next request. Default false. */
  readonly hasNews?: boolean
}

/** When, and how many at once, a runner asks for jobs. Times are `Clock.now()` milliseconds. */
export interface PollPace {
  /** Requests that may be in flight at once, ≥ 1. */
  readonly limit: number
  /** Nothing is asked before. */
  readonly nextAt: number
  /** The request to come follows news at once; further news do not hasten the one after it. */
  readonly followsNews: boolean
  /** Answers in a row that were no use. */
  readonly failures: number
  /** Refusals in a row. */
  readonly refusals: number
  /** Refused too often: nothing is asked for a long while, and somebody must look. */
  readonly paused: boolean
}

export const firstPace: PollPace = { limit: 1, nextAt: 0, followsNews: false, failures: 0, refusals: 0, paused: false }

export interface PaceRules {
  readonly checkIntervalMs: number
  readonly requestConcurrency: number
  readonly unhealthyRequestsLimit: number
  readonly unhealthyIntervalMs: number
}

/** The longest wait after failures, unless the check interval is longer. */
const longestWaitMs = 60_000
/** After a conflict there may well be other jobs, but a server that only answers so must not be flooded. */
const conflictWaitMs = 100

/**
 * The pace after one more answer. Jobs speed up: the next request follows at once, and one more may be in flight. Nothing to do slows down: half as many, and one
 * check interval between the begins of requests, so a server that parks the request itself is asked again at once; so is, once, a server that has news. Failures back off, doubling, to a minute.
 * Refused `unhealthyRequestsLimit` times in a row, a runner pauses.
 */
export function nextPace(
  pace: PollPace,
  { result, hasNews = false }: PollAnswer,
  { startedAt, now }: { readonly startedAt: number; readonly now: number },
  rules: PaceRules,
): PollPace {
  const { checkIntervalMs } = rules
  switch (result) {
    case 'job':
      return { ...firstPace, limit: Math.min(rules.requestConcurrency, pace.limit + 1), nextAt: now }
    case 'none': {
      const followsNews = hasNews && !pace.followsNews
      return {
        ...firstPace,
        limit: Math.max(1, Math.floor(pace.limit / 2)),
        nextAt: followsNews ? now : startedAt + checkIntervalMs,
        followsNews,
      }
    }
    case 'conflict':
      return { ...firstPace, limit: pace.limit, nextAt: now + Math.min(conflictWaitMs, checkIntervalMs) }
    case 'refused':
    case 'failed': {
      const refusals = result === 'refused' ? pace.refusals + 1 : 0
      if (refusals >= rules.unhealthyRequestsLimit) return { ...firstPace, nextAt: now + rules.unhealthyIntervalMs, paused: true }
      const waitMs = Math.min(checkIntervalMs * 2 ** pace.failures, Math.max(longestWaitMs, checkIntervalMs))
      return { ...firstPace, nextAt: now + waitMs, failures: pace.failures + 1, refusals }
    }
  }
}
