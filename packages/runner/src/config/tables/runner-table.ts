import type { RunnerSettings } from '../settings.ts'
import { autoscalerTable } from './autoscaler-table.ts'
import { cacheTable } from './cache-table.ts'
import { dockerTable } from './docker-table.ts'
import {
  assignment,
  countOrUnbounded,
  duration,
  flag,
  hostName,
  httpUrl,
  kibibytes,
  nonEmptyText,
  oneOf,
  readableFile,
  secretText,
  size,
  wholeNumber,
} from './kinds.ts'
import { monitoringTable } from './monitoring-table.ts'
import { byDefault, list, optional, required, type TableSchema, table } from './schema.ts'

/** Keys of `[[runners]]` in GitLab Runner 19.4 that have no meaning here yet. */
const notYet = [
  'artifact',
  'clean_git_config',
  'clone_url',
  'custom',
  'custom_build_dir',
  'experimental',
  'feature_flags',
  'get_sources_timeout',
  'instance',
  'kubernetes',
  'labels',
  'machine',
  'parallels',
  'post_build_script',
  'post_get_sources_script',
  'pre_build_script',
  'pre_get_sources_script',
  'prepare_timeout',
  'proxy_exec',
  'referees',
  'safe_directory_checkout',
  'slot_cgroup_template',
  'ssh',
  'step_runner_image',
  'strict_check_interval',
  'token_expires_at',
  'token_obtained_at',
  'tracing',
  'use_slot_cgroups',
  'virtualbox',
]

export const runnerTable: TableSchema<RunnerSettings> = {
  notYet,
  fields: {
    name: required(
      'name',
      nonEmptyText,
      'Name of the runner, for logs, metrics and the jobs. No two runners may have the same.',
    ),
    id: optional('id', wholeNumber({ min: 0 }), "The runner's number in GitLab; only logged."),
    url: required('url', httpUrl, 'Address of the GitLab server.'),
    token: required('token', secretText, 'Authentication token of the runner (`glrt-…`).'),
    tlsCaFile: optional(
      'tls-ca-file',
      readableFile,
      "Certificates that sign the server's, PEM. Default: the system's.",
    ),
    tlsCertFile: optional('tls-cert-file', readableFile, 'Client certificate, PEM.'),
    tlsKeyFile: optional('tls-key-file', readableFile, "The client certificate's key, PEM."),
    executor: required(
      'executor',
      oneOf('instance', 'docker-autoscaler', 'docker'),
      'How jobs are run. `instance`: in a shell on the instances of `[runners.autoscaler]`. `docker-autoscaler`: in containers on these instances, as `[runners.docker]` says. `docker`: in containers of one Engine, without `[runners.autoscaler]`.',
    ),
    shell: byDefault('shell', 'bash', oneOf('bash', 'sh'), 'Shell that runs the scripts on the instance.'),
    buildsDir: optional(
      'builds_dir',
      nonEmptyText,
      "Where builds go on an instance, absolute or relative to the login's home; or in a container, absolute. Default: `builds`, in a container `/builds`.",
    ),
    minFreeBytes: byDefault(
      'min_free_space',
      '64MB',
      size,
      'Room that a job must find in `builds_dir`; a machine with less gets no jobs. It is looked at every 10 s at most. `"0"`: nobody looks.',
    ),
    cacheDir: optional(
      'cache_dir',
      nonEmptyText,
      "Where an instance keeps caches that are its own, absolute or relative to the login's home; or a container, absolute. Machines that share the directory share the caches. Default: `cache`, in a container `/cache`.",
    ),
    cache: byDefault('cache', {}, table(cacheTable), 'Where caches are kept.'),
    artifactHosts: byDefault(
      'artifact_hosts',
      [],
      list(hostName),
      'Hosts with private addresses that the GitLab server may redirect downloads and uploads of artifacts to. Needed where the server itself has a public address; link-local addresses are never followed to.',
    ),
    debugTraceDisabled: byDefault(
      'debug_trace_disabled',
      false,
      flag,
      'Whether `CI_DEBUG_TRACE` of a job is ignored: it shows commands with the values of variables.',
    ),
    trust: optional(
      'trust',
      oneOf('all', 'project', 'none'),
      'Whose jobs may follow each other on an instance, with one login. `all`: those of any project; what a job leaves is kept from the next project as far as `docs/security.md` says. `project`: an instance serves one project; a job takes one of its own project, or else one that served nobody, or waits for a new one; only where `max_instances`, a quota or the cloud leaves no room for one, it replaces one of another project. `none`: an instance serves one job. Default: `all`, and `validate` warns.',
    ),
    environment: byDefault('environment', [], list(assignment), 'Variables for every job: `["NAME=value"]`.'),
    limit: byDefault('limit', 0, countOrUnbounded, 'Jobs of this runner at once. 0: no bound.'),
    requestConcurrency: byDefault(
      'request_concurrency',
      8,
      wholeNumber({ min: 1 }),
      'The most requests for a job in flight at once. One is in flight while nothing comes; more only while jobs do, so a runner at rest holds one slot at most.',
    ),
    outputLimitBytes: byDefault(
      'output_limit',
      4096,
      kibibytes,
      'Size of a job log after which the rest is dropped, KiB.',
    ),
    detach: byDefault(
      'detach',
      true,
      flag,
      "true: a job outlives the connection to its machine, which keeps the job's output meanwhile in `.detached` below `builds_dir`. false: it ends with its connection.",
    ),
    reconnectGraceMs: byDefault(
      'reconnect_grace',
      '1m',
      duration,
      'How long a machine may be out of reach under a job with `detach`; then the job fails as a system failure.',
    ),
    unhealthyRequestsLimit: byDefault(
      'unhealthy_requests_limit',
      3,
      wholeNumber({ min: 1 }),
      'Refusals (403) in a row after which the runner stops asking for a while.',
    ),
    unhealthyIntervalMs: byDefault(
      'unhealthy_interval',
      '5m',
      duration,
      'For how long it then stops, before each further request until one is accepted.',
    ),
    finalUpdateRetryLimit: byDefault(
      'job_status_final_update_retry_limit',
      10,
      wholeNumber({ min: 1 }),
      "How often a job's last update is tried before it no longer counts in `concurrent`; then it is retried, a minute apart, until GitLab accepts it.",
    ),
    monitoring: byDefault('monitoring', {}, table(monitoringTable), 'What to count as out of the ordinary.'),
    autoscaler: optional(
      'autoscaler',
      table(autoscalerTable),
      'The instances that jobs run on. Needed with the executors `instance` and `docker-autoscaler`.',
    ),
    docker: optional(
      'docker',
      table(dockerTable),
      'Containers. Needed with the executors `docker-autoscaler` and `docker`.',
    ),
  },
}
