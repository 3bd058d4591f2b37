/**
 * Settles as `answer` does, or rejects with the reason of `signal` once it aborts: an answer that does not heed the
 * signal is not waited for. `late` gets a value that comes after that, to close what it holds open.
 */
export function untilAbort<T>(answer: Promise<T>, signal: AbortSignal, late?: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let left = false
    const onAbort = (): void => {
      left = true
      reject(signal.reason)
    }
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    answer
      .then((value) => (left ? late?.(value) : resolve(value)), reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}
