/** Cancels a timer; calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void

/**
 * Time as a parameter. Decisions compare `now()` values only, so a wall clock that jumps cannot make a deadline fire
 * early or never. The wall clock is read where people or calendars are involved: schedules and log lines.
 */
export interface Clock {
  /**
   * Milliseconds that never go back. The scale starts at the wall time of process start, so values of two runs can be
   * compared roughly.
   */
  now(): number
  /** Wall time, milliseconds since 1970-01-01 UTC. It may jump in either direction. */
  wallTime(): number
  /**
   * Calls `callback` once, `delayMs` (≥ 0) from now on the scale of `now()`. Like a server's socket, a timer keeps the
   * process alive until it fires or is cancelled.
   */
  after(delayMs: number, callback: () => void): CancelTimer
}

/** Node fires at once what is set for longer than this, 24.8 days. */
const longestTimeoutMs = 2 ** 31 - 1

const startedAt = Date.now() - performance.now()

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => startedAt + performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, callback) {
    let left = Math.max(delayMs, 0)
    let timer: NodeJS.Timeout
    const arm = (): void => {
      const part = Math.min(left, longestTimeoutMs)
      left -= part
      timer = setTimeout(left > 0 ? arm : callback, part)
    }
    arm()
    return () => clearTimeout(timer)
  },
}

/** Resolves after `delayMs` on `clock`; rejects with the signal's reason when `signal` aborts first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * A source of numbers in [0, 1), as `Math.random`; a parameter wherever chance is used, so that a run can be repeated.
 */
export type Random = () => number

/** The process's own dice. */
export const systemRandom: Random = () => Math.random()
