import { Cron } from 'croner'

/** A span of time that comes again. Made by {@link compilePeriod}. */
export interface Period {
  /** Whether a wall time, in milliseconds since 1970, is in it. */
  has(wallTime: number): boolean
}

/**
 * Reads a cron expression of five fields as a range of time: it holds for each whole minute that it matches, so
 * `* 8-15 * * mon-fri` from 08:00:00 to 15:59:59. In the hour that a change to winter time repeats it holds twice, and
 * times that a change to summer time skips never come. `timezone` is an IANA name; default: the system's. Thrown: an
 * `Error` that says what is wrong with the expression.
 */
export function compilePeriod(expression: string, timezone?: string): Period {
  const cron = new Cron(expression, { mode: '5-part', ...(timezone !== undefined && { timezone }) })
  return { has: (wallTime) => cron.match(new Date(Math.floor(wallTime / 60_000) * 60_000)) }
}
