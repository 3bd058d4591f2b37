import type { Settings } from '../settings.ts'
import { countOrUnbounded, hostName, listenAddress, nonEmptyText, oneOf, seconds } from './kinds.ts'
import { runnerTable } from './runner-table.ts'
import { byDefault, list, optional, required, type TableSchema, table } from './schema.ts'

/** The file as a whole. */
export const configTable: TableSchema<Settings> = {
  notYet: ['connection_max_age', 'experimental', 'labels', 'machine', 'sentry_dsn', 'session_server', 'user'],
  fields: {
    concurrent: byDefault(
      'concurrent',
      0,
      countOrUnbounded,
      'Jobs at once over all runners. 0: no bound, so each runner takes what its instances can run. GitLab Runner has 1 by default.',
    ),
    checkIntervalMs: byDefault(
      'check_interval',
      3,
      seconds({ zeroMeans: 3 }),
      'Seconds between the begins of two requests for a job while there is none, fractions too. After a job the next request follows at once.',
    ),
    logLevel: byDefault('log_level', 'info', oneOf('debug', 'info', 'warn', 'error'), 'Least level of a log line.'),
    logFormat: byDefault(
      'log_format',
      'text',
      oneOf('text', 'json', 'runner'),
      '`json`: one object a line. `text`: for people; `runner` means the same.',
    ),
    listenAddress: optional(
      'listen_address',
      listenAddress,
      'Where `/metrics`, `/status`, `/decisions`, `/health/live` and `/health/ready` are served, without authentication, to requests by an address or a name of this machine. `":9252"` is all addresses of the machine. Default: nowhere.',
    ),
    listenHosts: optional(
      'listen_hosts',
      list(hostName),
      'Other names by which these pages may be asked for, such as a name that only the DNS knows.',
    ),
    shutdownTimeoutMs: byDefault(
      'shutdown_timeout',
      30,
      seconds({ zeroMeans: 30 }),
      'Seconds that running jobs are given to end and be reported when the process must stop fast.',
    ),
    stateDir: optional(
      'state_dir',
      nonEmptyText,
      'Directory on a local disk, made when it does not exist, for what must outlive the process: what was launched, which jobs run where, how often each instance was used, the record of decisions and the last status. A fleet is then found again after a restart or a crash. Default: nothing is kept, except as `[runners.autoscaler.state_storage]` says.',
    ),
    stateKeyFile: optional(
      'state_key_file',
      nonEmptyText,
      'File with the key that secrets in the state are encrypted under; made, for this user alone, when there is none. It must not be inside `state_dir`. Default: `.runner_state_key` beside this file.',
    ),
    runners: required('runners', list(table(runnerTable), { min: 1 }), 'One or more runners.'),
  },
}
