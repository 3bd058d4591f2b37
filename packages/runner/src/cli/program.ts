import { Command } from 'commander'
import { version } from '../version.ts'
import type { Output } from './output.ts'
import { plan } from './plan-command.ts'
import { run } from './run-command.ts'
import { validate } from './validate-command.ts'

const exitCodes = '\nExit codes: 0 done, 1 failed, 2 bad input (command line or configuration; nothing was started).'

/** The command line interface. `exit` takes the code of the command that ran. */
export function createProgram(output: Output, exit: (code: number) => void): Command {
  const program = new Command('runner-core')
    .description('Runs GitLab CI jobs on autoscaled machines.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text.trimEnd()),
      // One line for one mistake: commander puts its suggestion on a second one.
      writeErr: (text) => output.err(text.trim().replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')),
    })
    .addHelpText('after', exitCodes)
    .action(() => program.error(`error: expected a command (${program.commands.map((command) => command.name()).join(', ')}), got none`))

  const command = (name: string, description: string): Command =>
    program.command(name).description(description).addHelpText('after', exitCodes)
  const configured = (name: string, description: string): Command =>
    command(name, description).option('-c, --config <file>', 'configuration file', 'config.toml')

  configured(
    'run',
    'Take jobs and run them until a signal comes: SIGTERM and SIGINT stop fast, SIGQUIT finishes the running jobs; a second one is harder.',
  ).action(async ({ config }: { config: string }) => exit(await run(config, output)))
  configured('validate', 'Check a configuration and name every problem in it. Touches no machine.').action(
    async ({ config }: { config: string }) => exit(await validate(config, output)),
  )
  configured('plan', 'Say what would be done now, and why. Reads the instance groups and changes nothing.')
    .option('--json', 'print JSON')
    .action(async ({ config, json }: { config: string; json?: true }) => exit(await plan(config, { json: json === true }, output)))
  command('version', 'Print the version.').action(() => output.out(version))
  return program
}
