import type { Clock, Logger } from '@runner-core/fleeting'
import type { Runner } from '../runner.ts'
import { exitCode } from './exit-code.ts'
import { type StopMode, StopSequence, stopSignals } from './stop-signals.ts'

export interface StopOptions {
  readonly runner: Pick<Runner, 'stop' | 'stopStateless' | 'keepsState' | 'unreportedJobs' | 'departed'>
  /** Where signals and uncaught errors come from. */
  readonly process: NodeJS.EventEmitter & { exit(code: number): void }
  readonly clock: Clock
  /** Must not throw. */
  readonly logger: Logger
  /** Ends the process at once: no listener of its end acts any more. */
  readonly endAtOnce: (code: number) => void
  /** Longest time that a stop after an unexpected error may take, milliseconds. */
  readonly maxStopMs: number
}

/** Where one error comes from, more may come. After this many the process no longer waits for its stop. */
const maxErrors = 1_000
/** Errors that are logged; more only repeat them. */
const maxLoggedErrors = 10

/**
 * Resolves with the exit code once a signal has stopped the runner, or an error that nobody caught, or once other
 * processes have all its fleets.
 *
 * After such an error nothing in this process can be trusted. What is kept as state is safe from it only as long as
 * nothing more is done: the process ends at once, as by SIGKILL, and the next start resumes. Only runners without state
 * are stopped in order first, within bounds.
 */
export function untilStopped({ runner, process, clock, logger, endAtOnce, maxStopMs }: StopOptions): Promise<number> {
  const sequence = new StopSequence()
  let errors = 0
  return new Promise((resolve, reject) => {
    const stop = (mode: Exclude<StopMode, 'now'>): void => {
      runner.stop(mode).then(({ unreportedJobs, remainingInstances }) => {
        resolve(errors > 0 || unreportedJobs + remainingInstances.length > 0 ? exitCode.failed : exitCode.ok)
      }, reject)
    }
    // A supervisor that starts it again after a failure makes it the one that waits.
    runner.departed.then((how) => resolve(errors > 0 || how === 'lost' ? exitCode.failed : exitCode.ok), reject)
    for (const signal of stopSignals) {
      process.on(signal, () => {
        const mode = sequence.next(signal, clock.now())
        if (mode === 'now') {
          logger.warn({ mode, unreported_jobs: runner.unreportedJobs }, 'runner stops')
          process.exit(exitCode.failed)
        } else if (mode !== undefined) stop(mode)
      })
    }
    process.on('uncaughtException', (error: unknown) => {
      errors += 1
      if (runner.keepsState === 'all') {
        logger.error({ error }, 'unexpected error: the process ends, the next start resumes its jobs')
        return endAtOnce(exitCode.crashed)
      }
      if (errors <= maxLoggedErrors)
        logger.error({ error }, errors === 1 ? 'unexpected error, stopping' : 'unexpected error while stopping')
      const code = runner.keepsState === 'none' ? exitCode.failed : exitCode.crashed
      if (errors > maxErrors) return endAtOnce(code)
      if (errors > 1) return
      clock.after(maxStopMs, () => endAtOnce(code))
      if (runner.keepsState === 'none') return stop('fast')
      const end = (): void => endAtOnce(code)
      runner.stopStateless().then(end, end)
    })
  })
}
