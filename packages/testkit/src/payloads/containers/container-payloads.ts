import type { JobSpec, VariableSpec } from '@runner-core/runner/testing'
import type { Expected, Payload } from '../payload.ts'
import { before, setting, withAfterScript } from '../script-payloads.ts'
import type { ComparedImages } from './compared-images.ts'

/** A payload for a runner whose jobs run in containers. */
export interface ContainerPayload extends Payload {
  /** Given to the runner that pulls nothing. */
  readonly pullsNothing?: true
}

export interface ContainerSources {
  /** With its login. */
  readonly url: string
  readonly sha: string
  readonly token: string
}

const success = { state: 'success' } as const
const failed = (exitCode: number): Expected => ({ state: 'failed', failureReason: 'script_failure', exitCode })
const neverBegan = (failureReason: string, lines: Expected['lines'] = []): Expected => ({
  state: 'failed',
  failureReason,
  sections: ['prepare_executor'],
  lines,
  lacks: ['never-reached'],
})
const neverReached = { script: ['echo "never"-reached'] }
/** Contains its own beginning, so that a careless matcher loses it. */
const secret = 'over-over-over-there-9'
/** A directory that the jobs before have not been in. */
const elsewhere = { project: 2 }
/** Runs until it is stopped. */
const ticking = ['for i in $(seq 600); do echo tick-$((i+100)); sleep 0.1; done', 'echo "never"-reached']

const within = (image: string | object, spec: JobSpec, override: object = {}): Payload['job'] => ({
  ...spec,
  override: { image: typeof image === 'string' ? { name: image } : image, ...override },
})
const cache = { cache: [{ key: 'k', untracked: false, policy: '', paths: ['kept'], when: '' }] }

/** What a job in a container is promised, in the order in which the jobs are to be handed out. */
export function containerPayloads(
  { url, sha, token }: ContainerSources,
  { busybox, bash, wrapped, tool, web, silent, user, nowhere, absent, forbidden }: ComparedImages,
): readonly ContainerPayload[] {
  const beside = (services: readonly object[], spec: JobSpec): Payload['job'] => within(busybox, spec, { services })
  const login: VariableSpec = { key: 'CI_JOB_TOKEN', value: token, masked: true }
  const git = { repoUrl: url, ref: 'main', sha, depth: 1 }
  /** In the directory of the jobs before, as it is. */
  const unclean = { git, variables: [login, setting('GIT_CLEAN_FLAGS', 'none')] }
  return [
    {
      name: 'a job in an image',
      job: within(busybox, { script: ['echo one', 'cat; echo "no "input'] }),
      expected: { ...success, lines: ['$ echo one', 'one', 'no input', 'Job succeeded'] },
    },
    {
      name: 'an image with sh alone',
      job: within(busybox, {
        script: ['echo "[${BASH_VERSION:+bash}]"; test -d "$CI_PROJECT_DIR"; pwd | grep -c project'],
      }),
      expected: { ...success, lines: ['[]', '1'] },
    },
    {
      name: 'an image with bash',
      job: within({ name: bash, entrypoint: [''] }, { script: ['echo "[${BASH_VERSION:+bash}]"'] }),
      expected: { ...success, lines: ['[bash]'] },
    },
    {
      name: 'the image of the configuration',
      job: { script: ['cat /etc/passwd 2>/dev/null || echo "no "users'] },
      expected: { ...success, lines: ['no users'] },
    },
    {
      name: 'a script that fails',
      job: within(busybox, {
        script: ['(exit 77)', 'echo "never"-reached'],
        afterScript: ['echo "after: "$CI_JOB_STATUS'],
      }),
      expected: {
        ...failed(77),
        sections: withAfterScript,
        lines: ['$ (exit 77)', 'after: failed'],
        lacks: ['never-reached'],
      },
    },
    {
      name: 'after_script',
      job: within(busybox, {
        script: ['echo x >/tmp/of-the-script; X=lost'],
        afterScript: ['echo "after: $CI_JOB_STATUS [$X] $(cat /tmp/of-the-script)"', 'exit 9'],
      }),
      expected: { ...success, sections: withAfterScript, lines: ['after: success [] x', 'Job succeeded'] },
    },
    {
      name: "an image's own entrypoint",
      job: within(wrapped, { script: ['echo one'] }),
      expected: { ...success, lines: ['one', 'Job succeeded'] },
    },
    {
      name: "the job's entrypoint",
      job: within({ name: tool, entrypoint: [''] }, { script: ['echo one'] }),
      expected: { ...success, lines: ['one', 'Job succeeded'], lacks: ['the tool got'] },
    },
    {
      name: 'an entrypoint that runs no script',
      job: within(tool, neverReached),
      expected: {
        state: 'failed',
        failureReason: 'runner_system_failure',
        sections: ['prepare_executor', 'prepare_script'],
        lacks: ['never-reached'],
      },
    },
    {
      name: 'services by name and alias, and a port',
      job: beside([{ name: web, alias: 'site' }], {
        script: ['wget -qO- http://site/; wget -qO- "http://runner-core-compared-web:80/"'],
      }),
      expected: { ...success, lines: ['web', 'web', 'Job succeeded'] },
    },
    {
      name: "a service with a command, to which the job's variables come",
      job: beside(
        [
          {
            name: busybox,
            alias: 'other',
            command: ['sh', '-c', 'echo "$SERVED" >/index.html; httpd -f -p 8080 -h /'],
          },
        ],
        {
          script: ['for i in $(seq 50); do wget -qO- http://other:8080/ 2>/dev/null && break; sleep 0.1; done'],
          variables: [setting('SERVED', 'by the job')],
        },
      ),
      expected: { ...success, lines: ['by the job', 'Job succeeded'] },
    },
    {
      name: "a service's own variables",
      job: beside(
        [{ name: web, alias: 'site', variables: [{ key: 'SERVED', value: 'by the service', public: true }] }],
        {
          script: ['wget -qO- http://site/'],
        },
      ),
      expected: { ...success, lines: ['by the service', 'Job succeeded'] },
    },
    {
      name: 'a service that never comes up',
      job: beside([{ name: silent, alias: 'database' }], { script: ['echo "on without "it'] }),
      expected: { ...success, lines: [/never listen/, 'on without it', 'Job succeeded'] },
    },
    {
      name: 'CI_DEBUG_SERVICES',
      job: beside([{ name: web, alias: 'site' }], {
        script: ['wget -qO- http://site/; sleep 1'],
        variables: [setting('CI_DEBUG_SERVICES', 'true')],
      }),
      expected: { ...success, lines: [/served web/, 'Job succeeded'] },
    },
    {
      name: 'an image that is nowhere',
      job: within(nowhere, neverReached),
      expected: neverBegan('runner_external_dependency_failure', [/connection refused/]),
    },
    {
      name: 'a service whose image is nowhere',
      job: beside([{ name: nowhere }], neverReached),
      expected: neverBegan('runner_external_dependency_failure', [/connection refused/]),
    },
    {
      name: 'an image that is not allowed',
      job: within(forbidden, neverReached),
      expected: neverBegan('runner_system_failure', [/list of allowed images/]),
    },
    {
      name: 'a service that is not allowed',
      job: beside([{ name: forbidden }], neverReached),
      expected: neverBegan('runner_system_failure', [/list of allowed services/]),
    },
    {
      name: 'pull policy never, and no image',
      pullsNothing: true,
      job: within(absent, neverReached),
      expected: neverBegan('image_pull_failure'),
    },
    {
      name: 'a pull policy of the job that is not allowed',
      job: within({ name: busybox, pull_policy: ['always'] }, neverReached),
      expected: neverBegan('runner_configuration_error'),
    },
    {
      name: 'a user of the image',
      job: within(user, {
        script: ['id -u; mkdir made; echo "written" >made/file; cat made/file "$FILE"; rm -r made'],
        variables: [{ key: 'FILE', value: 'of a variable\n', file: true }],
      }),
      expected: { ...success, lines: ['1234', 'written', 'of a variable'] },
    },
    {
      name: 'a user of the job',
      job: within({ name: busybox, executor_opts: { docker: { user: '2345' } } }, { script: ['id -u'] }),
      expected: { ...success, lines: ['2345'] },
    },
    {
      name: 'variables: expanded, files',
      job: within(busybox, {
        script: [
          'printf "%s|" "$TEXT"; echo',
          'cat "$FILE"; case $FILE in "$CI_PROJECT_DIR".tmp/FILE) echo its "place" ;; esac',
        ],
        variables: [
          setting('NAME', 'wörld'),
          setting('TEXT', 'a "b" \'c\' `d` \\e $NAME\nnew $$line'),
          { key: 'FILE', value: 'one\n  two\n', file: true },
        ],
      }),
      expected: { ...success, lines: ['a "b" \'c\' `d` \\e wörld', 'new $line|', 'one', '  two', 'its place'] },
    },
    {
      name: 'an image named by a variable',
      job: within('runner-core-$KIND:1', { script: ['echo one'], variables: [setting('KIND', 'busybox')] }),
      expected: { ...success, lines: ['one'] },
    },
    {
      name: 'masked values, of services too',
      job: within(
        busybox,
        {
          script: ['echo "[$SECRET]"; printf "%.12s" "$SECRET"; sleep 0.2; echo "${SECRET#????????????}"'],
          variables: [{ key: 'SECRET', value: secret, masked: true }],
        },
        { services: [{ name: silent, alias: 'database', command: ['sh', '-c', 'echo "I have $SECRET"; sleep 600'] }] },
      ),
      expected: { ...success, lines: ['[[MASKED]]', '[MASKED]'], lacks: [secret] },
    },
    {
      name: 'sources by git, as a user of the image',
      job: within(user, {
        script: ['cat file; echo changed >file; cat file; rm -f other; ls'],
        variables: [login],
        git,
      }),
      expected: { ...success, lines: ['of the repository', 'changed', 'file', 'Job succeeded'], lacks: [token] },
    },
    {
      name: 'artifacts',
      job: within(busybox, {
        script: [
          'rm -rf out; umask 022; mkdir -p out; seq 1000 >out/numbers; printf "#!/bin/sh\\n" >out/tool; chmod 750 out/tool; echo log >out/a.log',
        ],
        artifacts: [{ name: 'all of $CI_JOB_STAGE', paths: ['out/'], exclude: ['out/*.log'], expireIn: '1 week' }],
      }),
      expected: {
        ...success,
        sections: [...before, 'step_script', 'upload_artifacts_on_success'],
        uploads: [
          {
            filename: 'all of test.zip',
            type: 'archive',
            format: 'zip',
            expireIn: '1 week',
            entries: {
              'out/': ['drwxr-xr-x', ''],
              'out/numbers': ['-rw-r--r--', Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join('')],
              'out/tool': ['-rwxr-x---', '#!/bin/sh\n'],
            },
          },
        ],
      },
    },
    {
      name: 'artifacts of a job before',
      needs: ['artifacts'],
      job: within(busybox, { ...elsewhere, script: ['tail -n 1 out/numbers; stat -c %A out/tool; ls out'] }),
      expected: {
        ...success,
        sections: [...before, 'download_artifacts', 'step_script'],
        lines: ['1000', '-rwxr-x---', 'numbers', 'tool'],
      },
    },
    {
      name: 'a dotenv report of a job that fails',
      job: within(busybox, {
        script: ['umask 022; echo "VERSION=1.2" >build.env; exit 3'],
        artifacts: [{ paths: ['build.env'], type: 'dotenv', format: 'gzip', name: 'build.env', when: 'always' }],
      }),
      expected: {
        ...failed(3),
        sections: [...before, 'step_script', 'upload_artifacts_on_failure'],
        uploads: [
          {
            filename: 'build.env.gz',
            type: 'dotenv',
            format: 'gzip',
            entries: { 'build.env.gz': ['-rw-r--r--', 'VERSION=1.2\n'] },
          },
        ],
      },
    },
    {
      name: 'a cache is saved',
      job: within(busybox, { script: ['echo "of a job before" >kept'] }, cache),
      expected: { ...success, sections: [...before, 'restore_cache', 'step_script', 'archive_cache'] },
    },
    {
      name: 'a cache is restored',
      follows: ['a cache is saved'],
      job: within(busybox, { script: ['cat kept; rm kept'] }, cache),
      expected: {
        ...success,
        sections: [...before, 'restore_cache', 'step_script', 'archive_cache'],
        lines: ['of a job before'],
      },
    },
    {
      name: 'the timeout of the job',
      job: within(busybox, { script: ticking, timeoutSeconds: 20 }),
      expected: {
        state: 'failed',
        failureReason: 'job_execution_timeout',
        lines: ['tick-101', /^ERROR: Job failed: execution took longer than 20s\b/],
        lacks: ['never-reached'],
      },
    },
    {
      name: 'canceled',
      job: within(busybox, {
        script: [`rm -f ticks; ${ticking[0]!.replace('sleep', 'echo >>ticks; sleep')}`, ticking[1]!],
        ...unclean,
      }),
      cancel: { once: 'tick-103', how: 'at once' },
      expected: { state: 'canceled', lines: ['tick-101'], lacks: ['never-reached'] },
    },
    {
      name: 'nothing of a canceled job runs on',
      follows: ['canceled'],
      job: within(busybox, {
        script: ['cp ticks before; sleep 1; cmp ticks before && rm ticks before && echo "it "stopped'],
        ...unclean,
      }),
      expected: { ...success, lines: ['it stopped', 'Job succeeded'] },
    },
    {
      name: 'GIT_STRATEGY none',
      follows: ['canceled'],
      job: within(busybox, { script: ['test -e file && echo "the working "copy || echo "an empty "directory'] }),
      expected: { ...success, lines: ['the working copy', 'Job succeeded'] },
    },
  ]
}
