import type { MeantDifference } from '../meant-differences.ts'

const toolAsEntrypoint = ['an entrypoint that runs no script']
const nowhere = ['an image that is nowhere', 'a service whose image is nowhere']
const absent = ['pull policy never, and no image']
const notAllowed = ['an image that is not allowed', 'a service that is not allowed']
const pullPolicy = ['a pull policy of the job that is not allowed']
const withoutPort = ["a service with a command, to which the job's variables come"]
const notUp = ['a service that never comes up', 'masked values, of services too']

const reasons = {
  entrypoint:
    'An entrypoint that ends without having run the shell fails the job, since nothing of its script ran; GitLab Runner 14.7.1 takes its exit code for that of the script.',
  registry:
    'A registry that cannot be reached is `runner_external_dependency_failure`, as in GitLab Runner 19.3; 14.7.1 says `script_failure`.',
  noImage: 'An image that is not there is `image_pull_failure`, as in 16.9; 14.7.1 says `runner_system_failure`.',
  pullPolicy: 'The pull policy of a job is heeded, and held against those that are allowed, as in 15.1.',
  retries:
    'A preparation that cannot succeed is not tried again; GitLab Runner tries it three times, three seconds apart.',
  pulls: 'A pull is tried three times, with the registry in words; GitLab Runner 14.7.1 tries it once.',
  serviceVariables: 'Variables of a service come to it, as in 14.8.',
  debugServices: 'What services print is in the log where `CI_DEBUG_SERVICES` asks for it, as in 15.7.',
  user: 'The user that a job names for its image is heeded, as in 16.9.',
  serviceNotUp:
    'A service that does not come up is told in one warning with its log; GitLab Runner shows a block with the log of a container of its own, too.',
  noPort:
    'A service that exposes no port is not waited for, and the log says so; GitLab Runner 14.7.1 warns that it did not start properly.',
} as const

/** What this runner does in another way than GitLab Runner 14.7.1 in containers, on purpose: seen in a run of both. */
export const containerDifferences: readonly MeantDifference[] = [
  { field: 'state', payloads: toolAsEntrypoint, lines: /^\+ failed\n- success$/, reason: reasons.entrypoint },
  {
    field: 'failureReason',
    payloads: toolAsEntrypoint,
    lines: /^\+ runner_system_failure\n- $/,
    reason: reasons.entrypoint,
  },
  {
    field: 'failureReason',
    payloads: nowhere,
    lines: /^\+ runner_external_dependency_failure\n- script_failure$/,
    reason: reasons.registry,
  },
  {
    field: 'failureReason',
    payloads: absent,
    lines: /^\+ image_pull_failure\n- runner_system_failure$/,
    reason: reasons.noImage,
  },
  { field: 'state', payloads: pullPolicy, lines: /^\+ failed\n- success$/, reason: reasons.pullPolicy },
  {
    field: 'failureReason',
    payloads: pullPolicy,
    lines: /^\+ runner_configuration_error\n- $/,
    reason: reasons.pullPolicy,
  },
  {
    field: 'stages',
    payloads: 'all',
    lines: /^- resolve_secrets$/,
    reason: 'The section `resolve_secrets` is only there where a job has secrets.',
  },
  {
    field: 'stages',
    payloads: 'all',
    lines: /^- cleanup_file_variables$/,
    reason: 'The clean-up is part of the same command as the script, and costs no container: it has no section.',
  },
  { field: 'stages', payloads: toolAsEntrypoint, lines: /^- (?:get_sources|step_script)$/, reason: reasons.entrypoint },
  {
    field: 'stages',
    payloads: pullPolicy,
    lines: /^- (?:prepare_script|get_sources|step_script)$/,
    reason: reasons.pullPolicy,
  },
  // Of the trace what is special first: the first that covers a line is its reason.
  { field: 'trace', payloads: toolAsEntrypoint, lines: /the tool got|ERROR|^- /, reason: reasons.entrypoint },
  { field: 'trace', payloads: pullPolicy, lines: /pull_policy|^- /, reason: reasons.pullPolicy },
  {
    field: 'trace',
    payloads: nowhere,
    lines: /Failed to pull image|ERROR: Job failed: failed to pull image/,
    reason: reasons.pulls,
  },
  {
    field: 'trace',
    payloads: absent,
    lines: /Failed to pull image|failed to pull image|Will be retried/,
    reason: reasons.retries,
  },
  { field: 'trace', payloads: notAllowed, lines: /^\+ ERROR|^- /, reason: reasons.retries },
  {
    field: 'trace',
    payloads: ["a service's own variables"],
    lines: /^\+ by the service$|^- web$/,
    reason: reasons.serviceVariables,
  },
  {
    field: 'trace',
    payloads: ['CI_DEBUG_SERVICES'],
    lines: /^\+ \[service:runner-core-compared-web-site\] /,
    reason: reasons.debugServices,
  },
  { field: 'trace', payloads: ['a user of the job'], lines: /^\+ 2345$|^- 0$/, reason: reasons.user },
  {
    field: 'trace',
    payloads: notUp,
    lines:
      /^\+ (?:WARNING: Service|Logs of service) |^- (?:\*+( WARNING: Service .*)?|Health check .*:|service ".*" timeout|Service container logs:|)$/,
    reason: reasons.serviceNotUp,
  },
  {
    field: 'trace',
    payloads: withoutPort,
    lines:
      /^\+ Not waiting for service |^- (?:\*+( WARNING: Service .*)?|Health check .*:|service ".*" health check: exit code 1|TIME FATAL: No HOST or PORT found *|Service container logs:|)$/,
    reason: reasons.noPort,
  },
  {
    field: 'trace',
    payloads: 'all',
    lines:
      /^- (?:Resolving secrets|Cleaning up project directory and file based variables)$|^\+ Using effective pull policy of |^- Using Docker executor with image |^\+ Using image \S+ on instance |^[+-] Using docker image DIGEST for |^- Using locally found image version due to |^[+-] (?:Starting service|Waiting for services) /,
    reason:
      'Preparation is told in the words of GitLab Runner 18, with the instance and without the helper image of every container.',
  },
  {
    field: 'trace',
    payloads: 'all',
    lines: /^- Running after script\.\.\.$|^\+ WARNING: after_script failed, but job will continue unaffected: /,
    reason:
      'An `after_script` that fails is a warning, as in GitLab Runner 19.3; the title of its section is its only headline.',
  },
  {
    field: 'trace',
    payloads: 'all',
    lines: /^- $/,
    reason: 'No empty line follows the last one.',
  },
  {
    field: 'trace',
    payloads: 'all',
    lines:
      /^[+-] (?:Initialized empty Git repository in|Reinitialized existing Git repository in|Checking out COMMIT as|Fetching changes)/,
    reason: 'Sources are told in the words of GitLab Runner 19.3, and `git init` is quiet.',
  },
  {
    field: 'trace',
    payloads: 'all',
    lines:
      /matching (?:artifact )?files and directories|: excluded \d+ files|^[+-] (?:Uploading|Downloading) artifacts .*coordinator\.\.\.|^[+-] No URL provided, cache|^[+-] (?:WARNING: )?(?:Cache file does not exist|kept: no matching files.*|No files to cache\.|Archive is up to date!.*|Failed to extract cache|Successfully extracted cache|Created cache)$/,
    reason:
      'Files are moved by our own program, in the words of GitLab Runner 19.3: a cache that is not there is told as that.',
  },
  {
    field: 'trace',
    payloads: ['the timeout of the job', 'canceled'],
    lines: /^\+ Terminated$|^- $/,
    reason:
      'A script that is stopped gets SIGTERM first, which its shell may tell; GitLab Runner removes the container.',
  },
]
