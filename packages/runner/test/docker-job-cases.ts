import type { JobSpec } from '@runner-core/runner/testing'
import { busyboxImage, helperImage, secret, shellessImage } from './docker-jobs-rig.ts'

/** A job in containers, and how it must end. */
export interface ContainerCase {
  readonly name: string
  readonly image: string
  readonly spec: JobSpec
  /** Over the JSON's top level. Its `image` is what is said beside the name. */
  readonly override?: JobSpec['override']
  readonly expected: { readonly state: string; readonly failureReason?: string; readonly exitCode?: number }
  /** Lines of the trace. */
  readonly has?: readonly string[]
  readonly lacks?: readonly string[]
  /** Canceled once it has printed its marker. */
  readonly cancel?: 'gracefully' | 'at once'
}

export interface CaseSources {
  /** Over `file:` and, with a login, over `http:`. */
  readonly urls: readonly [string, string]
  readonly sha: string
}

const success = { state: 'success' }
const failed = (exitCode: number): ContainerCase['expected'] => ({
  state: 'failed',
  failureReason: 'script_failure',
  exitCode,
})
const masked = [{ key: 'SECRET', value: secret, masked: true }]
const ticking = ['for i in $(seq 600); do echo tick; sleep 0.1; done', 'echo never\\ reached']
const cache = (key: string): readonly object[] => [
  { key, paths: ['kept'], policy: 'pull-push', when: 'on_success', fallback_keys: [], untracked: false },
]
const web = (alias: string, served: string): object => ({
  name: busyboxImage,
  alias,
  command: ['sh', '-c', `echo "${served}" >/index.html; httpd -f -p 80 -h /`],
})

type Body = Omit<ContainerCase, 'name' | 'image'>

/** What every image must do: sixty jobs for two. */
export function containerCases({ urls: [fileUrl, httpUrl], sha }: CaseSources): readonly ContainerCase[] {
  const git = (repoUrl: string): Pick<JobSpec, 'git'> => ({ git: { repoUrl, ref: 'main', sha } })
  const asUser = (user: string): JobSpec['override'] => ({ image: { executor_opts: { docker: { user } } } })
  const bodies: Readonly<Record<string, Body>> = {
    'one line': { spec: { script: ['echo hello'] }, expected: success, has: ['hello'] },
    'both outputs': { spec: { script: ['echo out; echo err >&2'] }, expected: success, has: ['out', 'err'] },
    'many lines': { spec: { script: ['seq 1 5000; echo all'] }, expected: success, has: ['1', '5000', 'all'] },
    'empty input': { spec: { script: ['cat; echo end'] }, expected: success, has: ['end'] },
    secret: { spec: { script: ['echo "[$SECRET]"'], variables: masked }, expected: success, has: ['[[MASKED]]'] },
    'secret in an error': {
      spec: { script: ['"no-such-$SECRET"'], variables: masked },
      expected: failed(127),
    },
    'file variable of a user': {
      spec: { script: ['id -u; cat "$FILE"'], variables: [{ key: 'FILE', value: 'in a file\n', file: true }] },
      override: asUser('1000'),
      expected: success,
      has: ['1000', 'in a file'],
    },
    'masked file variable': {
      spec: { script: ['cat "$FILE"'], variables: [{ key: 'FILE', value: secret, file: true, masked: true }] },
      expected: success,
      has: ['[MASKED]'],
    },
    'exit 77': {
      spec: { script: ['(exit 77)', 'echo never\\ reached'] },
      expected: failed(77),
      lacks: ['never reached'],
    },
    after_script: {
      spec: {
        script: ['echo x >/tmp/x; exit 4'],
        afterScript: ['echo "after: $CI_JOB_STATUS $(cat /tmp/x)"', 'exit 9'],
      },
      expected: failed(4),
      has: ['after: failed x'],
    },
    'script time-out': {
      spec: { script: ['sleep 300'], variables: [{ key: 'RUNNER_SCRIPT_TIMEOUT', value: '1s' }] },
      expected: { state: 'failed', failureReason: 'job_execution_timeout' },
    },
    'job time-out': {
      spec: { script: ticking, timeoutSeconds: 12 },
      expected: { state: 'failed', failureReason: 'job_execution_timeout' },
      has: ['tick'],
      lacks: ['never reached'],
    },
    canceled: {
      spec: { script: ticking, afterScript: ['echo "after: "$CI_JOB_STATUS'], marker: 'tick\n' },
      expected: { state: 'canceled' },
      has: ['after: canceled'],
      lacks: ['never reached'],
      cancel: 'gracefully',
    },
    'canceled at once': {
      spec: { script: ticking, afterScript: ['echo "after: "$CI_JOB_STATUS'], marker: 'tick\n' },
      override: { services: [web('web', 'unread')] },
      expected: { state: 'canceled' },
      lacks: ['after: canceled', 'never reached'],
      cancel: 'at once',
    },
    'something left behind': {
      spec: { script: ['sleep 300 & (setsid sleep 300 &) ; echo done'] },
      expected: success,
      has: ['done'],
    },
    service: {
      spec: { script: ['echo "got: $(wget -qO- http://web/) $(wget -qO- http://other/)"'] },
      override: { services: [web('web', 'one'), web('other', 'two')] },
      expected: success,
      has: ['got: one two'],
    },
    'secret of a service': {
      spec: { script: ['wget -qO- http://web/'], variables: masked },
      override: { services: [web('web', 'it is $SECRET')] },
      expected: success,
      has: ['it is [MASKED]'],
    },
    'service that ends': {
      spec: { script: ['echo "on without it"'] },
      override: {
        services: [{ name: busyboxImage, alias: 'dead', command: ['sh', '-c', 'echo dying words; exit 3'] }],
      },
      expected: success,
      has: ['on without it'],
    },
    'service without an image': {
      spec: { script: ['echo never\\ reached'] },
      override: { services: [{ name: 'runner-core-no-such-service:1' }] },
      expected: { state: 'failed', failureReason: 'image_pull_failure' },
      lacks: ['never reached'],
    },
    'sources of a file': {
      spec: { script: ['cat file'], ...git(fileUrl) },
      expected: success,
      has: ['text of the file'],
    },
    'sources by http, to a user': {
      spec: { script: ['cat file; echo new >file; mkdir -p made; id -u'], ...git(httpUrl) },
      override: asUser('1000:1000'),
      expected: success,
      has: ['text of the file', '1000'],
    },
    'sources, cloned, beside a service': {
      spec: {
        script: ['cat file; wget -qO- http://web/'],
        ...git(httpUrl),
        variables: [{ key: 'GIT_STRATEGY', value: 'clone' }],
      },
      override: { services: [web('web', 'served')] },
      expected: success,
      has: ['text of the file', 'served'],
    },
    'sources that are not there': {
      spec: { script: ['echo never\\ reached'], ...git(`${fileUrl}-not`) },
      expected: { state: 'failed', failureReason: 'runner_system_failure' },
      lacks: ['never reached'],
    },
    artifacts: {
      spec: { script: ['mkdir -p d; echo kept >d/file'], artifacts: [{ paths: ['d'] }] },
      override: asUser('1000'),
      expected: success,
    },
    'artifacts of a failure': {
      spec: { script: ['echo kept >file; exit 5'], artifacts: [{ paths: ['file'], when: 'always' }] },
      expected: failed(5),
    },
    caches: {
      spec: { script: ['cat kept 2>/dev/null || true; echo cached >kept'] },
      override: { cache: cache('k'), ...asUser('1000') },
      expected: success,
    },
    entrypoint: {
      spec: { script: ['echo hello'] },
      override: { image: { entrypoint: ['sh', '-c', 'echo "by the entrypoint"; exec "$@"', 'sh'] } },
      expected: success,
      has: ['hello'],
    },
    'no image': {
      spec: { script: ['echo never\\ reached'] },
      override: { image: { name: 'runner-core-no-such-image:1', pull_policy: ['never'] } },
      expected: { state: 'failed', failureReason: 'image_pull_failure' },
      lacks: ['never reached'],
    },
    'no shell': {
      spec: { script: ['echo never\\ reached'], variables: [{ key: 'GIT_STRATEGY', value: 'empty' }] },
      override: { image: { name: shellessImage } },
      expected: { state: 'failed', failureReason: 'runner_system_failure' },
      lacks: ['never reached'],
    },
    'no such user': {
      spec: { script: ['echo never\\ reached'] },
      override: asUser('nobody-of-that-name'),
      expected: { state: 'failed', failureReason: 'runner_system_failure' },
      lacks: ['never reached'],
    },
  }
  return [busyboxImage, helperImage].flatMap((image) =>
    Object.entries(bodies).map(([name, body]) => ({ name: `${name}, in ${image}`, image, ...body })),
  )
}
