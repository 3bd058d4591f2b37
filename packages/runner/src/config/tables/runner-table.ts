import type { CustomBuildDirSettings, RunnerSettings } from '../settings.ts'
import { autoscalerTable } from './autoscaler-table.ts'
import { cacheTable } from './cache-table.ts'
import { orEmpty } from './docker-kinds.ts'
import { dockerTable } from './docker-table.ts'
import { featureFlags, heededFlags } from './feature-flags.ts'
import { type ForeignKey, isOff, notApplicable, refused, without } from './foreign-key.ts'
import {
  assignment,
  countOrUnbounded,
  duration,
  flag,
  gitUrl,
  hostName,
  httpUrl,
  kibibytes,
  nonEmptyText,
  oneOf,
  readableFile,
  secretText,
  shellText,
  size,
  wholeNumber,
  withVariables,
} from './kinds.ts'
import { monitoringTable } from './monitoring-table.ts'
import { byDefault, list, optional, required, type TableSchema, table } from './schema.ts'

const bashOrSh = oneOf('bash', 'sh')
/** Empty as in the files that `register` writes: bash. */
const shellName: typeof bashOrSh = {
  ...bashOrSh,
  read: (value, context) => (value === '' ? 'bash' : bashOrSh.read(value, context)),
}

const otherExecutor = notApplicable('it is about another executor')

/** Keys of `[[runners]]` in GitLab Runner 19.4 that are not heeded. */
const foreign: Readonly<Record<string, ForeignKey>> = {
  artifact: refused('remove the table: an upload may take as long as its job, and GitLab 10 minutes to answer it'),
  clean_git_config: refused(
    'remove the key: what a job leaves in the configuration of git is always removed before the next one',
    (value) => value !== false,
  ),
  custom: otherExecutor,
  experimental: refused('remove the table: no job is run at the start'),
  instance: refused('remove the table: jobs have no virtual machines of their own on an instance'),
  kubernetes: otherExecutor,
  labels: refused('remove the table: labels are not sent to GitLab'),
  machine: otherExecutor,
  parallels: otherExecutor,
  proxy_exec: without('scripts run without a program between'),
  referees: refused('remove the table: metrics of instances are not added to the artifacts of a job'),
  safe_directory_checkout: without('git of the runner works in directories of every user'),
  slot_cgroup_template: without('use_slot_cgroups is refused'),
  ssh: otherExecutor,
  step_runner_image: without('a job with steps fails, and its log says why'),
  token_expires_at: refused(
    'renew the token before that time, since it is not renewed here',
    (value) => isOff(value) || isZeroTime(value),
  ),
  token_obtained_at: without('it is only a note', { isQuiet: true }),
  tracing: refused('remove the table: no traces are sent'),
  use_slot_cgroups: refused('limit jobs by what starts the instance'),
  virtualbox: otherExecutor,
}

/** What `gitlab-runner register` writes for a token that does not expire. */
function isZeroTime(value: unknown): boolean {
  return value instanceof Date && value.getUTCFullYear() <= 1
}

const customBuildDirTable: TableSchema<CustomBuildDirSettings> = {
  fields: {
    enabled: optional(
      'enabled',
      flag,
      'true: `GIT_CLONE_PATH` may be any directory in `builds_dir`; two jobs that run at once on one instance must not name the same one, for example by `$CI_CONCURRENT_ID` in it. false: a job that sets it fails. Default: it may be a directory in `$CI_BUILDS_DIR/$CI_CONCURRENT_ID/`, which no other job uses.',
    ),
  },
}

export const runnerTable: TableSchema<RunnerSettings> = {
  foreign,
  fields: {
    name: required('name', nonEmptyText, 'Name of the runner in logs, metrics and jobs. It must be unique.'),
    id: optional('id', wholeNumber({ min: 0 }), "The runner's number in GitLab; only logged."),
    url: required(
      'url',
      withVariables(httpUrl),
      'Address of the GitLab server. `$NAME` and `${NAME}` in it are variables of the environment.',
    ),
    token: required(
      'token',
      withVariables(secretText),
      'Authentication token of the runner (`glrt-…`). `$NAME` and `${NAME}` in it are variables of the environment.',
    ),
    tlsCaFile: optional(
      'tls-ca-file',
      readableFile,
      "Certificate authorities that the server's certificate is checked against, PEM. Default: the system's.",
    ),
    tlsCertFile: optional(
      'tls-cert-file',
      readableFile,
      'Client certificate, PEM. With the key, it is in the files of `CI_SERVER_TLS_CERT_FILE` and `CI_SERVER_TLS_KEY_FILE` in each job, as with GitLab Runner: git on the instance needs them.',
    ),
    tlsKeyFile: optional('tls-key-file', readableFile, "The client certificate's key, PEM."),
    executor: required(
      'executor',
      oneOf('instance', 'docker-autoscaler', 'docker'),
      'How jobs run. `instance`: in a shell on the instances of `[runners.autoscaler]`. `docker-autoscaler`: in containers on these instances, as `[runners.docker]` says. `docker`: in containers of one Engine, without `[runners.autoscaler]`.',
    ),
    shell: byDefault('shell', 'bash', shellName, 'Shell that runs the scripts on the instance.'),
    buildsDir: optional(
      'builds_dir',
      orEmpty(nonEmptyText),
      "Directory for builds. On an instance: absolute, or relative to the login's home; default `builds`. In a container: absolute; default `/builds`.",
    ),
    minFreeBytes: byDefault(
      'min_free_space',
      '64MB',
      size,
      'Minimum free space in `builds_dir`. An instance with less gets no jobs. It is checked before a job, every 10 s at most. `"0"`: no check.',
    ),
    cacheDir: optional(
      'cache_dir',
      orEmpty(nonEmptyText),
      "Directory for caches that are not kept in a bucket. On an instance: absolute, or relative to the login's home; default `cache`. In a container: absolute; default `/cache`. Instances that share the directory share the caches.",
    ),
    cache: byDefault('cache', {}, table(cacheTable), 'Where caches are kept.'),
    artifactHosts: byDefault(
      'artifact_hosts',
      [],
      list(hostName),
      'Hosts with private addresses that the GitLab server may redirect uploads and downloads of artifacts to. Only needed if the server itself has a public address. Redirects to link-local addresses are always refused.',
    ),
    debugTraceDisabled: byDefault(
      'debug_trace_disabled',
      false,
      flag,
      "Whether a job's `CI_DEBUG_TRACE` is ignored. It logs commands together with the values of variables.",
    ),
    trust: optional(
      'trust',
      oneOf('all', 'project', 'none'),
      'Whose jobs may follow each other on an instance, with one login. `all`: those of any project; what a job leaves is kept from the next project as far as `docs/security.md` says. `project`: an instance serves one project; a job takes one of its own project, or else one that served nobody, or waits for a new one; only where `max_instances`, a quota or the cloud leaves no room for one, it replaces one of another project. `none`: an instance serves one job. Default: `all`, and `validate` warns.',
    ),
    environment: byDefault('environment', [], list(assignment), 'Variables for every job: `["NAME=value"]`.'),
    preGetSourcesScript: byDefault(
      'pre_get_sources_script',
      '',
      shellText,
      "Shell commands that run before a job's sources are fetched, in the login's directory, before the job's own hook `pre_get_sources_script`. In containers they run in the helper. What they export holds for git, and what they set with `git config --global` too. A job without sources (`GIT_STRATEGY` `none` or `empty`) does not run them.",
    ),
    postGetSourcesScript: byDefault(
      'post_get_sources_script',
      '',
      shellText,
      "Shell commands that run in the work tree after a job's sources and submodules are there, after the job's own hook `post_get_sources_script`.",
    ),
    preBuildScript: byDefault(
      'pre_build_script',
      '',
      shellText,
      "Shell commands that run before the lines of each of a job's steps, in the same shell; not before `after_script`. If one fails, the job fails and its lines do not run.",
    ),
    postBuildScript: byDefault(
      'post_build_script',
      '',
      shellText,
      "Shell commands that run after the lines of each of a job's steps, in the same shell, unless one of them failed; not after `after_script`.",
    ),
    cloneUrl: byDefault(
      'clone_url',
      '',
      gitUrl,
      "Address of the GitLab server for git, where jobs cannot reach the one that GitLab names. A project is fetched from its path below it, with the job's token.",
    ),
    featureFlags: byDefault(
      'feature_flags',
      {},
      featureFlags,
      `GitLab Runner's feature flags for all jobs, which a job's own variables do not change. Heeded: ${heededFlags.map((name) => `\`${name}\``).join(', ')}. Of the others, those that would have to do what nothing here does are refused; the rest have no effect, with a warning.`,
    ),
    prepareTimeoutMs: byDefault(
      'prepare_timeout',
      '0s',
      duration,
      "How long a job may wait for its slot and be prepared, until its sources are fetched. Then it fails as `job_execution_timeout`. 0: only the job's own limit.",
    ),
    getSourcesTimeoutMs: byDefault(
      'get_sources_timeout',
      '0s',
      duration,
      "How long fetching a job's sources may take, all attempts together. Then it fails as `job_execution_timeout`. 0: only the job's own limit.",
    ),
    customBuildDir: byDefault('custom_build_dir', {}, table(customBuildDirTable), 'Where jobs may have their sources.'),
    limit: byDefault(
      'limit',
      0,
      countOrUnbounded,
      'Maximum number of jobs of this runner that run at once. 0: no limit.',
    ),
    requestConcurrency: byDefault(
      'request_concurrency',
      8,
      wholeNumber({ min: 1 }),
      'Maximum number of requests for a job in flight. An idle runner has one in flight and holds one slot at most; there are more only while jobs arrive.',
    ),
    strictCheckInterval: byDefault(
      'strict_check_interval',
      false,
      flag,
      'true: the request after a job waits for `check_interval` too, so that several managers share a queue more evenly.',
    ),
    outputLimitBytes: byDefault(
      'output_limit',
      4096,
      kibibytes,
      'Maximum size of a job log in KiB. The rest of the log is dropped.',
    ),
    detach: byDefault(
      'detach',
      true,
      flag,
      'true: a job survives the loss of its connection; meanwhile the instance keeps the output in `.detached` in `builds_dir`. false: the job ends with its connection.',
    ),
    reconnectGraceMs: byDefault(
      'reconnect_grace',
      '1m',
      duration,
      'How long the instance of a running job may be unreachable with `detach`. Then the job fails with a system failure.',
    ),
    unhealthyRequestsLimit: byDefault(
      'unhealthy_requests_limit',
      3,
      wholeNumber({ min: 1 }),
      'Number of consecutive refusals (403) after which the runner pauses its requests.',
    ),
    unhealthyIntervalMs: byDefault(
      'unhealthy_interval',
      '5m',
      duration,
      'Length of that pause, before each further request until one is accepted.',
    ),
    finalUpdateRetryLimit: byDefault(
      'job_status_final_update_retry_limit',
      10,
      wholeNumber({ min: 1 }),
      "Number of attempts for a job's final update after which the job no longer counts towards `concurrent`. Further attempts follow a minute apart until GitLab accepts the update.",
    ),
    monitoring: byDefault('monitoring', {}, table(monitoringTable), 'What metrics count as unusual.'),
    autoscaler: optional(
      'autoscaler',
      table(autoscalerTable),
      'The instances that jobs run on. Required with the executors `instance` and `docker-autoscaler`.',
    ),
    docker: optional(
      'docker',
      table(dockerTable),
      'How containers are made. Required with the executors `docker-autoscaler` and `docker`.',
    ),
  },
}
