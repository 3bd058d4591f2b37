/**
 * How one request for a job ended: `job` handed out · `none` there is none · `conflict` another runner was faster ·
 * `refused` the token is not accepted · `failed` no usable answer.
 */
export type PollResult = 'job' | 'none' | 'conflict' | 'refused' | 'failed'

export interface PollAnswer {
  readonly result: PollResult
  /** With `none`: another request at once is no waste. Default false. */
  readonly askAgain?: boolean
}

/** When, and how many at once, a runner asks for jobs. Times are `Clock.now()` milliseconds. */
export interface PollPace {
  /** Requests that may be in flight at once, ≥ 1. */
  readonly limit: number
  /** Nothing is asked before. */
  readonly nextAt: number
  /**
   * When all requests that followed an empty answer at once are made up for: each puts it off, and time brings it
   * nearer.
   */
  readonly followUpsPaidAt: number
  /** Answers in a row that were no use. */
  readonly failures: number
  /**
   * When the last of these failures came in. Whatever was asked before then has met the same trouble, and says nothing
   * new.
   */
  readonly failedAt: number
  /** Refusals in a row. */
  readonly refusals: number
  /** Refused too often: nothing is asked for some minutes, and somebody must look. */
  readonly paused: boolean
}

export const firstPace: PollPace = {
  limit: 1,
  nextAt: 0,
  followUpsPaidAt: 0,
  failures: 0,
  failedAt: Number.NEGATIVE_INFINITY,
  refusals: 0,
  paused: false,
}

export interface PaceRules {
  readonly checkIntervalMs: number
  readonly requestConcurrency: number
  readonly unhealthyRequestsLimit: number
  readonly unhealthyIntervalMs: number
  /** Whether each request waits for the check interval, also after a job. */
  readonly strictCheckInterval: boolean
}

/** The longest wait after failures, unless the check interval is longer. */
const longestWaitMs = 60_000
/**
 * So many follow-ups at once are no more than a queue in motion. A server that goes on so parks nothing and has no job
 * for us.
 */
const maxFollowUps = 10
/** Then follow-ups are spread: so many in a check interval. */
const followUpsPerInterval = 4
/** After a conflict there may well be other jobs, but a server that only answers so must not be flooded. */
const conflictWaitMs = 100

/**
 * The pace after one more answer. Jobs speed up: the next request follows at once, and one more may be in flight.
 * Nothing to do slows down: half as many, and one check interval between the begins of requests; but where the server
 * parks requests, or its queue has changed, the next one follows at once too. Failures back off, doubling, to a minute;
 * requests that fail together count once. Refused `unhealthyRequestsLimit` times in a row, a runner pauses, and after
 * each further refusal again.
 */
export function nextPace(
  pace: PollPace,
  { result, askAgain = false }: PollAnswer,
  { startedAt, now }: { readonly startedAt: number; readonly now: number },
  rules: PaceRules,
): PollPace {
  const { checkIntervalMs, strictCheckInterval } = rules
  switch (result) {
    case 'job':
      return {
        ...firstPace,
        limit: strictCheckInterval ? 1 : Math.min(rules.requestConcurrency, pace.limit + 1),
        nextAt: strictCheckInterval ? startedAt + checkIntervalMs : now,
      }
    case 'none': {
      const limit = Math.max(1, Math.floor(pace.limit / 2))
      if (!askAgain || strictCheckInterval) return { ...firstPace, limit, nextAt: startedAt + checkIntervalMs }
      const shareMs = checkIntervalMs / followUpsPerInterval
      const followUpsPaidAt = Math.max(pace.followUpsPaidAt, now) + shareMs
      return { ...firstPace, limit, nextAt: Math.max(now, followUpsPaidAt - maxFollowUps * shareMs), followUpsPaidAt }
    }
    case 'conflict':
      return { ...firstPace, limit: pace.limit, nextAt: now + Math.min(conflictWaitMs, checkIntervalMs) }
    case 'refused':
    case 'failed': {
      if (startedAt <= pace.failedAt) return pace
      const refusals = result === 'refused' ? pace.refusals + 1 : 0
      const paused = refusals >= rules.unhealthyRequestsLimit
      const backOffMs = Math.min(checkIntervalMs * 2 ** pace.failures, Math.max(longestWaitMs, checkIntervalMs))
      const waitMs = paused ? Math.max(rules.unhealthyIntervalMs, backOffMs) : backOffMs
      return { ...firstPace, nextAt: now + waitMs, failures: pace.failures + 1, failedAt: now, refusals, paused }
    }
  }
}
