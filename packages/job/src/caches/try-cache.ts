import type { FileStageWork } from '../files/file-stage.ts'
import { pause } from '../files/pause.ts'
import { EnvironmentError } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import type { CacheContext } from './cache-context.ts'
import { CacheError } from './cache-store.ts'

/** From one try to the next. */
const betweenTriesMs = 5000
/** How often it is done again where a connection broke under it, however few tries are wanted. */
const maxCuts = 2

/**
 * Does something with a cache, more than once where it fails and that is wanted, and says why it failed. Undefined: it
 * did. Rejects only with what ends the job: the signal's reason, a machine that is lost, and a bound of the job that is
 * passed.
 */
export async function tryCache<T>(
  { timeoutMs, clock }: Pick<CacheContext, 'timeoutMs' | 'clock'>,
  attempts: number,
  { log, signal }: Pick<FileStageWork, 'log' | 'signal'>,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  for (let [attempt, cuts] = [1, 0]; ; ) {
    const limit = new AbortController()
    const cancel = clock.after(timeoutMs, () =>
      limit.abort(new CacheError('failed', `it took longer than ${timeoutMs / 60_000} minutes`)),
    )
    try {
      return await act(AbortSignal.any([signal, limit.signal]))
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof EnvironmentError && error.code === 'lost') throw error
      if (error instanceof JobError && error.code === 'limit_exceeded') throw error
      await log.warning(error instanceof Error ? error.message : String(error))
      if (error instanceof EnvironmentError && error.code === 'cut' && cuts < maxCuts) cuts++
      else if (attempt < attempts) attempt++
      else return undefined
    } finally {
      cancel()
    }
    await pause(clock, betweenTriesMs, signal)
    await log.line('Retrying...')
  }
}
