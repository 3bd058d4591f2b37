import { type Clock, delay, isGroupError } from '@runner-core/fleeting'

/**
 * From one try to the next, milliseconds: at once where somebody else has just made a change, later where a read
 * shows the fingerprint from before ours.
 */
const pausesMs: readonly number[] = [0, 1000, 2000, 4000, 8000, 16_000]

/**
 * Makes a change that gives a fingerprint, and again with what a new read shows when that is refused as an old one:
 * for half a minute. Thrown: what `change` throws, `conflict` in the end.
 */
export async function withFingerprint(clock: Clock, change: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (const pauseMs of pausesMs) {
    try {
      return await change()
    } catch (error) {
      if (!isGroupError(error) || error.code !== 'conflict') throw error
    }
    if (pauseMs > 0) await delay(clock, pauseMs, signal)
  }
  await change()
}
