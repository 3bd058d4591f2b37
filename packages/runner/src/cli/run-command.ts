import { dirname } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import { lateConfigError, loadRunnable } from '../config/load-config.ts'
import { type ConfigError, describeProblem } from '../config/problem.ts'
import type { Settings } from '../config/settings.ts'
import { stateDirectory } from '../config/state-settings.ts'
import { loadSystemId } from '../identity/system-id.ts'
import { Runner } from '../runner.ts'
import type { Output } from './output.ts'
import { openProcessLog } from './process-log.ts'
import { untilStopped } from './until-stopped.ts'

/** How long the process may take to end by itself, milliseconds. */
const lingerMs = 1_000
const stopMarginMs = 30_000

/**
 * `runner-core run`: works until a signal stops it, or another process takes its work over. Thrown: `ConfigError`, and
 * what `Runner.start` throws; nothing runs then.
 */
export async function run(
  file: string,
  { takeover, allowIgnored }: { readonly takeover: boolean; readonly allowIgnored: readonly string[] },
  output: Output,
): Promise<number> {
  const { settings, warnings, advice, refused } = await loadRunnable(file, { allowIgnored })
  const stateless = settings.runners.findIndex((runner) => stateDirectory(settings, runner) === undefined)
  if (takeover && stateless >= 0)
    throw lateConfigError(file, {
      path: `runners[${placeInFile(stateless, refused)}]`,
      message: 'expected state_dir, which --takeover needs, got none',
    })
  const { logger, sink } = openProcessLog(settings, output)
  for (const warning of warnings)
    logger.warn({ problem: describeProblem(warning, file) }, 'configuration needs attention')
  for (const each of advice) logger.info({ problem: describeProblem(each, file) }, 'configuration could be safer')
  for (const { name, problems } of refused)
    for (const problem of problems)
      logger.error({ runner_name: name, problem: describeProblem(problem, file) }, 'runner is refused')
  const systemId = loadSystemId({ folder: dirname(file), random: Math.random, logger })
  const runner = await Runner.start({
    settings,
    systemId,
    takeover,
    refused: refused.map(({ name, problems }) => ({
      name,
      problems: problems.map((problem) => describeProblem(problem, file)),
    })),
    logger,
    ...(sink !== undefined && { log: sink }),
  }).catch((error: unknown) => {
    throw isListenError(error) ? listenProblem(file, error) : error
  })
  const code = await untilStopped({
    runner,
    process,
    clock: systemClock,
    logger,
    endAtOnce: (exitCode) => {
      sink?.flush()
      // Those of plugins and libraries might end what is to stay.
      process.removeAllListeners('exit')
      process.exit(exitCode)
    },
    maxStopMs: maxStopMs(settings),
  })
  // Whatever a plugin or a library left open must not keep a stopped process.
  setTimeout(() => process.exit(code), lingerMs).unref()
  return code
}

/** Which entry of the file a runner is, those that are refused counted too. */
function placeInFile(index: number, refused: readonly { readonly index: number }[]): number {
  return refused.reduce((place, each) => (each.index <= place ? place + 1 : place), index)
}

/** Longest time that a fast stop takes when all goes as configured, and a margin, milliseconds. */
function maxStopMs({ shutdownTimeoutMs, runners }: Settings): number {
  const removals = runners.map(
    ({ autoscaler }) => autoscaler.shutdownDeletionIntervalMs * (autoscaler.shutdownDeletionRetries + 1),
  )
  return shutdownTimeoutMs + Math.max(...removals) + stopMarginMs
}

/** Only the status pages listen. */
function isListenError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'getaddrinfo')
}

function listenProblem(file: string, cause: Error): ConfigError {
  const reason = cause.message.replace(/^listen \w+: /, '')
  return lateConfigError(
    file,
    { path: 'listen_address', message: `expected an address to listen at, got ${reason}` },
    { cause },
  )
}
