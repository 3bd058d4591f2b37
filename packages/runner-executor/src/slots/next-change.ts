import type { Taskscaler } from '@runner-core/taskscaler'

/** Resolves when something changes that may give a job a slot; rejects with the signal's reason. */
export function nextChange(scaler: Pick<Taskscaler, 'onChange'>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      stop()
      reject(signal.reason)
    }
    const stop = scaler.onChange(() => {
      stop()
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
