import type { Clock, Logger } from '@runner-core/fleeting'
import type { Runner } from '../runner.ts'
import { exitCode } from './exit-code.ts'
import { type StopMode, StopSequence, stopSignals } from './stop-signals.ts'

export interface StopOptions {
  readonly runner: Pick<Runner, 'stop' | 'unreportedJobs' | 'departed'>
  /** Where signals and uncaught errors come from. */
  readonly process: NodeJS.EventEmitter & { exit(code: number): void }
  readonly clock: Clock
  readonly logger: Logger
}

/** Resolves with the exit code once a signal has stopped the runner, or an error that nobody caught, or once other processes have all its fleets. */
export function untilStopped({ runner, process, clock, logger }: StopOptions): Promise<number> {
  const sequence = new StopSequence()
  let hasFailed = false
  return new Promise((resolve, reject) => {
    const stop = (mode: Exclude<StopMode, 'now'>): void => {
      runner.stop(mode).then(({ unreportedJobs, remainingInstances }) => {
        resolve(hasFailed || unreportedJobs + remainingInstances.length > 0 ? exitCode.failed : exitCode.ok)
      }, reject)
    }
    // A supervisor that starts it again after a failure makes it the one that waits.
    runner.departed.then((how) => resolve(hasFailed || how === 'lost' ? exitCode.failed : exitCode.ok), reject)
    for (const signal of stopSignals) {
      process.on(signal, () => {
        const mode = sequence.next(signal, clock.now())
        if (mode === 'now') {
          logger.warn({ mode, unreported_jobs: runner.unreportedJobs }, 'runner stops')
          process.exit(exitCode.failed)
        } else if (mode !== undefined) stop(mode)
      })
    }
    // Nothing can be trusted from here on, but jobs can still be reported and machines removed. Where one error came from, more may come.
    process.on('uncaughtException', (error: unknown) => {
      logger.error({ error }, hasFailed ? 'unexpected error while stopping' : 'unexpected error, stopping')
      if (!hasFailed) stop('fast')
      hasFailed = true
    })
  })
}
