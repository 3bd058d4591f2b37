import { dirname } from 'node:path'
import { type Logger, systemClock } from '@runner-core/fleeting'
import { loadConfig } from '../config/load-config.ts'
import { describeProblem } from '../config/problem.ts'
import type { StopMode } from '../configured-runner.ts'
import { loadSystemId } from '../identity/system-id.ts'
import { secretsOf } from '../logging/configured-secrets.ts'
import { createLogger } from '../logging/create-logger.ts'
import { Runner } from '../runner.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import { StopSequence, stopSignals } from './stop-signals.ts'

/** How long the process may take to end by itself, milliseconds. */
const lingerMs = 1_000

/** `runner-core run`: works until a signal stops it. Thrown: `ConfigError`, and what `Runner.start` throws; nothing runs then. */
export async function run(file: string, output: Output): Promise<number> {
  const { settings, warnings } = await loadConfig(file)
  const logger = createLogger({
    level: settings.logLevel,
    format: settings.logFormat,
    secrets: secretsOf(settings),
    write: (line) => output.err(line.trimEnd()),
  })
  for (const warning of warnings) logger.warn({ problem: describeProblem(warning, file) }, 'configuration key ignored')
  const systemId = loadSystemId({ folder: dirname(file), random: Math.random, logger })
  const runner = await Runner.start({ settings, systemId, logger })
  const code = await untilStopped(runner, logger)
  // Whatever a plugin or a library left open must not keep a stopped process.
  setTimeout(() => process.exit(code), lingerMs).unref()
  return code
}

/** Resolves with the exit code once a signal has stopped the runner, or an error that nobody caught. */
function untilStopped(runner: Runner, logger: Logger): Promise<number> {
  const sequence = new StopSequence()
  let hasFailed = false
  return new Promise((resolve, reject) => {
    const stop = (mode: StopMode): void => {
      runner.stop(mode).then(({ unreportedJobs, remainingInstances }) => {
        resolve(hasFailed || unreportedJobs + remainingInstances.length > 0 ? exitCode.failed : exitCode.ok)
      }, reject)
    }
    for (const signal of stopSignals) {
      process.on(signal, () => {
        const mode = sequence.next(signal, systemClock.now())
        if (mode === 'now') process.exit(exitCode.failed)
        if (mode !== undefined) stop(mode)
      })
    }
    // Nothing can be trusted from here on, but jobs can still be reported and machines removed.
    process.once('uncaughtException', (error) => {
      hasFailed = true
      logger.error({ error }, 'unexpected error, stopping')
      stop('fast')
    })
  })
}
