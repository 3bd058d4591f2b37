import { dirname, resolve } from 'node:path'
import { systemClock, systemRandom } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { parseGoDuration } from '@runner-core/job'
import { containedExecutors } from '../config/executor-tables.ts'
import { lateConfigError, loadConfig } from '../config/load-config.ts'
import { describeProblem } from '../config/problem.ts'
import { listenAlone } from '../custom-executor/listen.ts'
import { defaultDirectory, openPrivateDirectory } from '../custom-executor/private-directory.ts'
import { ShimDaemon } from '../custom-executor/shim-daemon.ts'
import { loadSystemId } from '../identity/system-id.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import { openProcessLog } from './process-log.ts'
import { type StopMode, StopSequence, stopSignals } from './stop-signals.ts'

export interface DaemonOptions {
  readonly directory?: string
  /** A duration, or `never`. */
  readonly idleTimeout: string
  readonly ownerGrace: string
}

/** How long the process may take to end by itself, milliseconds. */
const lingerMs = 1_000

/**
 * `runner-core custom-executor daemon`: serves until a signal stops it or nobody needs it any more. Thrown:
 * `ConfigError`, and an `Error` where it cannot serve.
 */
export async function daemon(file: string, options: DaemonOptions, output: Output): Promise<number> {
  const idleTimeoutMs =
    options.idleTimeout === 'never' ? Number.POSITIVE_INFINITY : parseGoDuration(options.idleTimeout)
  const ownerGraceMs = parseGoDuration(options.ownerGrace)
  if (idleTimeoutMs === undefined || ownerGraceMs === undefined) {
    output.err('error: expected --idle-timeout and --owner-grace as durations such as 90s or 5m')
    return exitCode.badInput
  }
  const { settings, warnings } = await loadConfig(file)
  const [unrunnable] = containedExecutors(settings.runners)
  if (unrunnable) throw lateConfigError(file, unrunnable)
  const { logger } = openProcessLog(settings, output)
  for (const warning of warnings)
    logger.warn({ problem: describeProblem(warning, file) }, 'configuration needs attention')
  const directory = resolve(options.directory ?? defaultDirectory(file))
  openPrivateDirectory(directory)
  const shim = new ShimDaemon({
    idleTimeoutMs,
    ownerGraceMs,
    settings,
    directory,
    systemId: loadSystemId({ folder: dirname(file), random: systemRandom, logger }),
    findPlugin: loadPlugin,
    clock: systemClock,
    random: systemRandom,
    logger,
  })
  const sole = await listenAlone(directory, shim.serve, systemClock).catch(async (error: unknown) => {
    // Its timers would keep a process that serves nobody, and the call that began it would wait for that.
    await shim.shutDown()
    throw error
  })
  if (sole === undefined) {
    logger.info({ directory }, 'another daemon serves this configuration')
    await shim.shutDown()
    return exitCode.ok
  }
  logger.info({ directory, pid: process.pid }, 'daemon of the custom executor started')
  await Promise.race([shim.idle, untilSignal(shim)])
  sole.close()
  logger.info({}, 'daemon of the custom executor stopped')
  const remaining = await shim.shutDown()
  sole.release()
  if (remaining.length > 0) logger.error({ remaining_instances: remaining }, 'instances are not known to be gone')
  const code = remaining.length > 0 ? exitCode.failed : exitCode.ok
  // Whatever a plugin or a library left open must not keep a stopped process.
  setTimeout(() => process.exit(code), lingerMs).unref()
  return code
}

/** Resolves when jobs are to be ended now, if there are any. */
function untilSignal(shim: ShimDaemon): Promise<void> {
  const sequence = new StopSequence()
  return new Promise((resolve) => {
    const stop = (mode: StopMode | undefined): void => {
      if (mode === 'now') process.exit(exitCode.failed)
      if (mode === 'fast') resolve()
      if (mode === 'graceful') {
        void shim.jobsEnded().then(resolve)
      }
    }
    for (const signal of stopSignals) process.on(signal, () => stop(sequence.next(signal, systemClock.now())))
  })
}
