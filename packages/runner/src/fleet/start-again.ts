import { type BackoffCurve, backoffMs, type Clock, delay, isGroupError, type Random } from '@runner-core/fleeting'

export interface StartAgainOptions {
  readonly clock: Clock
  readonly random: Random
  /** Ends the tries: the promise rejects with its reason. */
  readonly signal: AbortSignal
  /** Whether no later try can succeed: the failure then ends the tries, and is what the promise rejects with. */
  readonly isFinal: (error: unknown) => boolean
  /** Told of each other failure, with the wait before the next try, milliseconds. */
  readonly onFailure: (error: Error, waitMs: number) => void
}

const startCurve: BackoffCurve = { baseMs: 1_000, maxMs: 60_000 }

/**
 * Tries until it succeeds: after each failure a wait that doubles up to a minute, with jitter, and never shorter than
 * what a group error asks for.
 */
export async function startAgain<T>(
  start: () => Promise<T>,
  { clock, random, signal, isFinal, onFailure }: StartAgainOptions,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted()
    try {
      return await start()
    } catch (error) {
      signal.throwIfAborted()
      if (isFinal(error)) throw error
      const waitMs = backoffMs(startCurve, failures, random, isGroupError(error) ? error.retryAfterMs : undefined)
      onFailure(error instanceof Error ? error : new Error(String(error)), waitMs)
      await delay(clock, waitMs, signal)
    }
  }
}
