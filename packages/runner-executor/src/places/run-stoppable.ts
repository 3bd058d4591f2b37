import type { Acquisition } from '@runner-core/taskscaler'

export interface StoppableOptions {
  /** Of the slot on whose instance it is done. */
  readonly acquisition: Pick<Acquisition, 'signal'>
  /** Ends everything of the job there. Must not reject. */
  readonly stop: () => Promise<void>
  /** Aborts when the job is to stop. */
  readonly signal: AbortSignal
  /** Called when the instance may have begun something. */
  readonly onStarted: () => void
  /** What fails on the instance, as the environment words it. */
  readonly failure: (error: unknown) => unknown
}

/**
 * Does something in a job's place. When `signal` aborts, everything of the job is ended before this rejects with its
 * reason; `given` aborts then, and when the instance is lost. `act` calls `onStarted` once the instance may have begun
 * what it was asked for.
 */
export async function runStoppable<Result>(
  { acquisition, stop, signal, onStarted, failure }: StoppableOptions,
  act: (given: AbortSignal, onStarted: () => void) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted()
  const given = new AbortController()
  let hasStarted = false
  let stopping: Promise<void> | undefined
  const onAbort = (): void => {
    // What comes late must not start anything after everything was ended.
    if (!hasStarted) given.abort(signal.reason)
    // Until then the output is still heard: what a script says when it is asked to end.
    stopping = stop().finally(() => given.abort(signal.reason))
  }
  const onLost = (): void => given.abort(acquisition.signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  acquisition.signal.addEventListener('abort', onLost, { once: true })
  if (acquisition.signal.aborted) onLost()
  try {
    const result = await act(given.signal, () => {
      hasStarted = true
      onStarted()
    })
    if (!signal.aborted) return result
  } catch (error) {
    if (!signal.aborted) throw failure(error)
  } finally {
    signal.removeEventListener('abort', onAbort)
    acquisition.signal.removeEventListener('abort', onLost)
    // What was asked for may be over before all else is.
    await stopping
  }
  throw signal.reason
}
