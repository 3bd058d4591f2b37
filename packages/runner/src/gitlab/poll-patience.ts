/** How long GitLab parks a request for a job (`apiCiLongPollingDuration` of Workhorse as documented), milliseconds. */
const documentedParkMs = 50_000
/** What the answer may take beside that: a loaded server, a slow network. */
const slackMs = 60_000
/** Answers that are remembered: a single slow one counts for some time, not for ever. */
const remembered = 8
const multiple = 2

/** How long the server took for the last answers to requests for a job, milliseconds, oldest first. */
export type PollTimes = readonly number[]

/** The times with one more answer. */
export function withPoll(times: PollTimes, tookMs: number): PollTimes {
  return [...times, tookMs].slice(-remembered)
}

/**
 * How long a request for a job is waited for, milliseconds: twice what the slowest of the last answers took, and never
 * less than a minute more than the server may be expected to park it. A request that the server must not park is
 * expected within that minute, or twice what answers take.
 */
export function pollPatienceMs(
  times: PollTimes,
  { mayPark, maxMs }: { readonly mayPark: boolean; readonly maxMs: number },
): number {
  const seenMs = multiple * Math.max(0, ...times)
  return Math.min(maxMs, Math.max(seenMs, slackMs + (mayPark ? documentedParkMs : 0)))
}
