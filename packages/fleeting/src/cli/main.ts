import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { describeError } from '../contract/describe-error.ts'
import type { ConformanceArguments } from './conformance-command.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import { processOutput } from './process-output.ts'
import { StartError } from './start-error.ts'

/**
 * Runs one command line and answers the exit code. `args` are the words after the program's name; `signal` stops what
 * is under way, in order.
 */
export async function main(
  args: readonly string[],
  output: Output = processOutput,
  signal: AbortSignal = onInterrupt(),
): Promise<number> {
  let result: number = exitCode.ok
  const program = createProgram(output, signal, (code) => {
    result = code
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return result
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.notStarted
    output.err(`error: ${describeError(error)}`)
    return error instanceof StartError ? exitCode.notStarted : exitCode.failed
  }
}

function createProgram(output: Output, signal: AbortSignal, exit: (code: number) => void): Command {
  const program = new Command('fleeting')
    .description('Checks instance group plugins.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text.trimEnd()),
      writeErr: (text) =>
        output.err(text.replace(/\n$/, '').replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')),
    })
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .argument(
        '<plugin>',
        'a short name (local), the name of a package, or the path of a file or directory (./plugin.js)',
      )
      .option(
        '-c, --config <file>',
        'TOML or JSON with the tables plugin_config and connector_config, at the top, in [autoscaler] or in [runners.autoscaler]',
      )
      .addHelpText(
        'after',
        '\nExit codes: 0 all is well, 1 something is not, 2 nothing was started (command line, configuration, plugin).',
      )

  command(
    'conformance',
    'Check a plugin against the contract. Launches and removes real instances, in a group that nothing else should use.',
  )
    .option('--cloud <module>', 'a module whose createConformanceCloud sets up a cloud and returns its controls')
    .option('--max-instances <n>', 'maximum number of instances at once', wholeNumber)
    .option('--patience <seconds>', 'maximum time for a change of state', seconds)
    .option('--poll <seconds>', 'pause between two reads of the group', seconds)
    .option('--only <text>', 'run only cases whose name contains this text')
    .option('--yes', 'continue although the group already has instances')
    .option('--json', 'print the report as JSON')
    .option('--junit <file>', 'also write the report as JUnit XML')
    .action(async (plugin: string, options: ConformanceArguments) =>
      exit(await (await import('./conformance-command.ts')).conformance(plugin, options, output, signal)),
    )
  command('doctor', 'Describe a group and report problems with its set-up. Changes nothing.')
    .option('--json', 'print JSON')
    .action(async (plugin: string, options: { readonly config?: string; readonly json?: true }) =>
      exit(await (await import('./doctor-command.ts')).doctor(plugin, options, output, signal)),
    )
  return program
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('expected a whole number, at least 1')
}

/** Seconds as milliseconds. */
function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 86_400) return value * 1000
  throw new InvalidArgumentError('expected seconds, from 0 to 86400')
}

/** Aborts at the first Ctrl-C or SIGTERM; another one a while later ends the process. */
function onInterrupt(): AbortSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  const stop = (): void => {
    // Under npx one Ctrl-C arrives twice.
    if (firstAt !== undefined && performance.now() - firstAt > 150) process.exit(exitCode.failed)
    firstAt ??= performance.now()
    controller.abort(new Error('stopped by a signal'))
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return controller.signal
}
