import type { LogLevel, Settings } from '../settings.ts'
import { notApplicable, refused, refusedSecret, without } from './foreign-key.ts'
import { countOrUnbounded, hostName, listenAddress, nonEmptyText, oneOf, seconds } from './kinds.ts'
import { runnerTable } from './runner-table.ts'
import { byDefault, type Kind, leaf, list, optional, required, type TableSchema, table } from './schema.ts'

/** Levels of a log; GitLab Runner's other words for them too. */
const logLevel: Kind<LogLevel> = leaf('"debug" or "info" or "warn" or "error"', (value) =>
  typeof value === 'string' && Object.hasOwn(logLevels, value) ? logLevels[value] : undefined,
)

const logLevels: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
  panic: 'error',
}

/** The file as a whole. */
export const configTable: TableSchema<Settings> = {
  foreign: {
    connection_max_age: without('a connection to GitLab is closed after a minute without a request'),
    experimental: refused('remove the table: usage is not logged to files of its own'),
    labels: refused('remove the table: labels are not sent to GitLab'),
    machine: notApplicable('it is about the executor docker+machine'),
    sentry_dsn: refusedSecret('collect errors from the log, with log_format = "json"'),
    session_server: refused('remove the table: jobs have no interactive terminal'),
    user: refused('start the process as this user'),
  },
  fields: {
    concurrent: byDefault(
      'concurrent',
      0,
      countOrUnbounded,
      "Maximum number of jobs that run at once, for all runners together. 0: no limit, so each runner takes as many as its instances can run. GitLab Runner's default is 1.",
    ),
    checkIntervalMs: byDefault(
      'check_interval',
      3,
      seconds({ zeroMeans: 3 }),
      'Seconds from the start of one request for a job to the start of the next while there are no jobs; fractions are allowed. After a job the next request follows immediately.',
    ),
    logLevel: byDefault(
      'log_level',
      'info',
      logLevel,
      'Minimum level of a log line. `warning` is `warn`; `fatal` and `panic` are `error`.',
    ),
    logFormat: byDefault(
      'log_format',
      'text',
      oneOf('text', 'json', 'runner'),
      '`json`: one object per line. `text`: for people to read; `runner` has the same effect.',
    ),
    listenAddress: optional(
      'listen_address',
      listenAddress,
      'Address that serves `/metrics`, `/status`, `/decisions`, `/health/live` and `/health/ready`, without authentication. The `Host` of a request must be an address or a name of this computer. `":9252"` listens on all addresses. Default: nothing is served.',
    ),
    listenHosts: optional(
      'listen_hosts',
      list(hostName),
      'Other names that the `Host` of a request may have, such as a name that only exists in DNS.',
    ),
    shutdownTimeoutMs: byDefault(
      'shutdown_timeout',
      30,
      seconds({ zeroMeans: 30 }),
      'Seconds that running jobs have to end and to be reported in a fast stop.',
    ),
    stateDir: optional(
      'state_dir',
      nonEmptyText,
      'Directory on a local disk for what must survive the process: launches, running jobs and their instances, how often each instance was used, the record of decisions, and the last status. After a restart or a crash the fleet and its jobs resume from it. Created if it does not exist. Default: nothing is kept, unless `[runners.autoscaler.state_storage]` says otherwise.',
    ),
    stateKeyFile: optional(
      'state_key_file',
      nonEmptyText,
      'File with the key that encrypts secrets in the state. Created, readable by this user only, if it does not exist. It must not be inside `state_dir`. Default: `.runner_state_key` in the directory of this file.',
    ),
    runners: required('runners', list(table(runnerTable), { min: 1 }), 'One or more runners.'),
  },
}
