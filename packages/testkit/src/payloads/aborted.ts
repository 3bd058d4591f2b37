/** Rejects with the signal's reason, for a race. Thrown: it is aborted already. */
export function rejectsWhenAborted(signal: AbortSignal | undefined): Promise<never> {
  signal?.throwIfAborted()
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  aborted.catch(() => {})
  return aborted
}
