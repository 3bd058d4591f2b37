import { Command, InvalidArgumentError, Option } from 'commander'
import { version } from '../version.ts'
import type { FleetingInstallArguments, FleetingListArguments, FleetingLoginArguments } from './fleeting-command.ts'
import type { Output } from './output.ts'

/** Options of commands that read a configuration. */
interface Configured {
  readonly config: string
  readonly allowIgnored: readonly string[]
}

const exitCodes = '\nExit codes: 0 done, 1 failed, 2 bad input (command line or configuration; nothing was started).'

/**
 * The command line interface; each command is loaded when it is used. `exit` takes the code of the command that ran.
 */
export function createProgram(output: Output, exit: (code: number) => void): Command {
  const program = new Command('runner-core')
    .description('Runs GitLab CI jobs on autoscaled machines.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text.trimEnd()),
      // One line for one mistake: commander puts its suggestion on a second one.
      writeErr: (text) =>
        output.err(text.replace(/\n$/, '').replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')),
    })
    .version(version, '-V, --version', 'print the version')
    .addHelpText('after', exitCodes)

  const command = (name: string, description: string): Command =>
    program.command(name).description(description).addHelpText('after', exitCodes)
  const configured = (name: string, description: string): Command =>
    command(name, description)
      .option('-c, --config <file>', 'configuration file', 'config.toml')
      .option(
        '--allow-ignored <key>',
        'ignore this key although it is refused, such as runners.referees; may be given several times',
        (key: string, keys: readonly string[]) => [...keys, key],
        [],
      )

  configured(
    'run',
    'Run jobs until a signal arrives: SIGTERM and SIGINT stop fast, SIGQUIT finishes the running jobs; a second signal stops harder.',
  )
    .option('--takeover', 'take the fleets and their running jobs over from the process that has them, which then ends')
    .action(async ({ config, takeover, allowIgnored }: Configured & { takeover?: true }) =>
      exit(await (await import('./run-command.ts')).run(config, { takeover: takeover === true, allowIgnored }, output)),
    )
  configured('validate', 'Check a configuration and report every problem in it. Contacts no instance.').action(
    async ({ config, ...options }: Configured) =>
      exit(await (await import('./validate-command.ts')).validate(config, options, output)),
  )
  configured('plan', 'Print what would be done now, and why. Reads the instance groups and changes nothing.')
    .option('--json', 'print JSON')
    .action(async ({ config, json, allowIgnored }: Configured & { json?: true }) =>
      exit(await (await import('./plan-command.ts')).plan(config, { json: json === true, allowIgnored }, output)),
    )
  configured('status', 'Show the runners, instances and jobs of the running manager, or as the last one left them.')
    .option('--json', 'print JSON')
    .action(async ({ config, json, allowIgnored }: Configured & { json?: true }) =>
      exit(await (await import('./status-command.ts')).status(config, { json: json === true, allowIgnored }, output)),
    )
  configured(
    'explain',
    'Explain why a job waited, why an instance was launched, kept or removed, or what was decided last.',
  )
    .addOption(new Option('--job <id>', 'a job').conflicts(['instance', 'last']))
    .addOption(new Option('--instance <id>', 'an instance').conflicts('last'))
    .option('--last <count>', 'the last decisions of each runner (default: 20)', positiveInteger)
    .option('--json', 'print JSON')
    .action(
      async ({
        config,
        json,
        last = 20,
        ...what
      }: Configured & {
        json?: true
        last?: number
        job?: string
        instance?: string
      }) =>
        exit(
          await (await import('./explain-command.ts')).explain(config, { ...what, last, json: json === true }, output),
        ),
    )
  const shim = command(
    'custom-executor',
    'Let a GitLab Runner with `executor = "custom"` run its jobs on the instances of a configuration.',
  ).addHelpText(
    'after',
    '\nconfig, prepare, run and cleanup are what GitLab Runner calls; each takes --config, --runner, --directory, --idle-timeout and --owner-grace. With --config, config and prepare start a daemon if none is running.',
  )
  shim
    .command('daemon', { isDefault: true })
    .description('Manage the instances between the calls. The first call starts a daemon if none is running.')
    .option('-c, --config <file>', 'configuration file', 'config.toml')
    .option('--directory <directory>', 'directory of its socket and log (default: beside the configuration file)')
    .option(
      '--idle-timeout <duration>',
      'stop after this time without a job and without an instance; "never": keep running',
      '5m',
    )
    .option('--owner-grace <duration>', 'how long to keep a job whose GitLab Runner has gone', '30s')
    .action(
      async ({ config, ...options }: { config: string; directory?: string; idleTimeout: string; ownerGrace: string }) =>
        exit(await (await import('./custom-executor-command.ts')).daemon(config, options, output)),
    )
  const fleeting = command('fleeting', 'Install plugins made for GitLab Runner from registries.')
  const ofRegistry = (name: string, description: string): Command =>
    fleeting
      .command(name)
      .description(description)
      .option('--plain-http', 'use HTTP with the registry, not HTTPS')
      .option('--tls-ca-file <file>', "PEM file of authorities to trust besides the system's")
      .addHelpText('after', exitCodes)
  ofRegistry('install', 'Install the named plugins, or else those of the configuration that are not installed yet.')
    .argument('[plugins...]', 'name, name:1.5, repository/name:1, registry/repository/name:1.5.2')
    .option('-c, --config <file>', 'configuration file', 'config.toml')
    .option('--upgrade', 'also check the registries for newer versions of installed plugins of the configuration')
    .action(async (plugins: readonly string[], options: FleetingInstallArguments) =>
      exit(await (await import('./fleeting-command.ts')).install(plugins, options, output)),
    )
  ofRegistry(
    'list',
    "Show where the configuration's plugins are installed, or which versions of the named plugins a registry has.",
  )
    .argument('[plugins...]', 'use HTTP with the registry, not HTTPS')
    .option('-c, --config <file>', 'configuration file', 'config.toml')
    .action(async (plugins: readonly string[], options: FleetingListArguments) =>
      exit(await (await import('./fleeting-command.ts')).list(plugins, options, output)),
    )
  ofRegistry(
    'login',
    'Store a user name and a password for a registry where `docker login` does, once the registry has accepted them.',
  )
    .argument('[registry]', 'default: the registry of the official plugins')
    .requiredOption('--username <name>', 'user name')
    .addOption(
      new Option(
        '--password <password>',
        'password or token; other users may see it in the list of processes',
      ).conflicts('passwordStdin'),
    )
    .option('--password-stdin', 'read the password from standard input')
    .action(async (registry: string | undefined, options: FleetingLoginArguments) =>
      exit(await (await import('./fleeting-command.ts')).login(registry, options, output)),
    )
  command('version', 'Print the version.').action(() => output.out(version))
  return program
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Expected a whole number above 0.')
  return Number(text)
}
