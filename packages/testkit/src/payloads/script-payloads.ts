import type { VariableSpec } from '@runner-core/runner/testing'
import type { Expected, Payload } from './payload.ts'

const success = { state: 'success' } as const
const failed = (exitCode: number): Expected => ({ state: 'failed', failureReason: 'script_failure', exitCode })
const timedOut = { state: 'failed', failureReason: 'job_execution_timeout' } as const
export const setting = (key: string, value: string): VariableSpec => ({ key, value })
export const before = ['prepare_executor', 'prepare_script', 'get_sources'] as const
export const withAfterScript = [...before, 'step_script', 'after_script'] as const

/** Contains its own beginning, so that a careless matcher loses it. */
const secret = 'over-over-over-there-9'
/** Runs until it is stopped. */
const ticking = ['for i in $(seq 300); do echo tick-$((i+100)); sleep 0.1; done', 'echo "never"-reached']
const step = (name: string, script: readonly string[], rest: object = {}): object => ({
  name,
  script,
  timeout: 3600,
  when: 'on_success',
  allow_failure: false,
  ...rest,
})

/** What a job's own script is promised: its words, its end, its limits, its log. */
export const scriptPayloads: readonly Payload[] = [
  {
    name: 'sections in order',
    job: { script: ['echo one', 'printf two >&2; echo'], afterScript: ['echo "after: "$CI_JOB_STATUS'] },
    expected: {
      ...success,
      sections: withAfterScript,
      lines: [
        '$ echo one',
        'one',
        '$ printf two >&2; echo',
        'two',
        '$ echo "after: "$CI_JOB_STATUS',
        'after: success',
        'Job succeeded',
      ],
    },
  },
  {
    name: 'no sections where GitLab wants none',
    job: { script: ['echo one'], traceSections: false, variables: [setting('FF_SCRIPT_SECTIONS', 'true')] },
    expected: { ...success, sections: [], lines: ['$ echo one', 'one', 'Job succeeded'], lacks: ['section_'] },
  },
  {
    name: 'exit code, and after_script all the same',
    job: { script: ['(exit 77)', 'echo "never"-reached'], afterScript: ['echo "after: "$CI_JOB_STATUS', 'exit 9'] },
    expected: {
      ...failed(77),
      sections: withAfterScript,
      lines: ['$ (exit 77)', 'after: failed', 'ERROR: Job failed: exit status 77'],
      lacks: ['never-reached'],
    },
  },
  {
    name: 'allow_failure by exit code is for GitLab to judge',
    job: { script: [], override: { steps: [step('script', ['exit 42'], { allow_failure: true })] } },
    expected: failed(42),
  },
  {
    name: 'several steps, each in a shell of its own',
    job: {
      script: [],
      override: {
        steps: [
          step('script', ['X=lost; export X', 'cd /', 'echo "KEPT=for $CI_JOB_NAME" >>"$GITLAB_ENV"']),
          step('verify', ['echo "[$X][$KEPT]"', 'test "$PWD" = "$CI_PROJECT_DIR"']),
          // Its variables are those of the job, put in by the runner.
          step('release', ["echo 'release of $CI_JOB_STAGE'"]),
          step('after_script', ['echo "after [$X][$KEPT]"'], { when: 'always' }),
        ],
      },
      variables: [setting('EXECUTOR_JOB_SECTION_ATTEMPTS', '2')],
    },
    expected: {
      ...success,
      sections: [...before, 'step_script', 'step_verify', 'step_release', 'after_script'],
      lines: [
        '[][for several steps, each in a shell of its own]',
        'release of test',
        'after [][for several steps, each in a shell of its own]',
        'Job succeeded',
      ],
    },
  },
  {
    name: 'AFTER_SCRIPT_IGNORE_ERRORS',
    job: { script: ['true'], afterScript: ['exit 9'], variables: [setting('AFTER_SCRIPT_IGNORE_ERRORS', 'false')] },
    expected: { ...failed(9), sections: withAfterScript },
  },
  {
    name: 'RUNNER_AFTER_SCRIPT_TIMEOUT',
    job: {
      script: ['echo one'],
      afterScript: ['echo "in "after; sleep 300', 'echo "never"-reached'],
      variables: [setting('RUNNER_AFTER_SCRIPT_TIMEOUT', '1s')],
    },
    expected: { ...success, sections: withAfterScript, lines: ['in after', 'Job succeeded'], lacks: ['never-reached'] },
  },
  {
    name: 'RUNNER_SCRIPT_TIMEOUT',
    job: {
      script: ['sleep 300', 'echo "never"-reached'],
      afterScript: ['echo "after: "$CI_JOB_STATUS'],
      variables: [setting('RUNNER_SCRIPT_TIMEOUT', '1s')],
    },
    expected: {
      ...timedOut,
      sections: withAfterScript,
      lines: ['$ sleep 300', 'after: timedout'],
      lacks: ['never-reached'],
    },
  },
  {
    name: 'the timeout of the job',
    job: { script: ['echo one', 'sleep 300'], afterScript: ['echo "never"-reached'], timeoutSeconds: 2 },
    expected: {
      ...timedOut,
      lines: ['one', /^ERROR: Job failed: execution took longer than 2s\b/],
      lacks: ['never-reached'],
    },
  },
  {
    name: 'CI_DEBUG_TRACE',
    job: { script: ['X=$((40 + 2)); echo "x is $X"'], variables: [setting('CI_DEBUG_TRACE', 'true')] },
    expected: { ...success, lines: [/^\++ X=42$/, /^\++ echo 'x is 42'$/, 'x is 42', 'Job succeeded'] },
  },
  {
    name: 'FF_TIMESTAMPS',
    job: {
      script: ['echo one', 'echo two >&2; sleep 0.2; printf three; sleep 0.2; echo'],
      variables: [setting('FF_TIMESTAMPS', 'true')],
    },
    expected: {
      ...success,
      everyLine: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][ +]/,
      lines: [/Z 01[OE] one$/, /Z 01[OE] two$/, /Z 01[OE] three$/, /Z 00O Job succeeded$/],
    },
  },
  {
    name: 'FF_SCRIPT_SECTIONS',
    job: {
      script: ['echo first', 'if true; then\n  echo "of "several\nfi', 'echo last'],
      variables: [setting('FF_SCRIPT_SECTIONS', 'true')],
    },
    expected: {
      ...success,
      sections: [...before, 'step_script', 'section_script_step_1'],
      lines: ['first', '$ if true; then', '  echo "of "several', 'fi', 'of several', 'last'],
    },
  },
  {
    name: 'masked values',
    job: {
      script: [
        'printf "%.12s" "$SECRET"; sleep 0.2; echo "${SECRET#????????????}"',
        'echo "over-over-$SECRET"',
        'echo "glpat-"$(echo abc)DEF. of "$CI_JOB_TOKEN"',
        'echo "http://x/?private_token""=abc&b=1"',
      ],
      variables: [{ key: 'SECRET', value: secret, masked: true }],
    },
    expected: {
      ...success,
      lines: ['[MASKED]', 'over-over-[MASKED]', 'glpat-[MASKED] of [MASKED]', 'http://x/?private_token=[MASKED]&b=1'],
      lacks: [secret, 'abcDEF', 'token=abc'],
    },
  },
  {
    name: 'variables: expanded, raw, files',
    job: {
      script: [
        'printf "%s|" "$TEXT" "$RAW"; echo',
        'cat "$FILE"; case $FILE in "$CI_PROJECT_DIR".tmp/FILE) echo its "place" ;; esac',
        'echo "$PATH_OF" | sed "s,^$FILE,is ,"',
        'echo "$TWICE"',
      ],
      variables: [
        setting('NAME', 'wörld'),
        setting('TEXT', 'a "b" \'c\' `d` \\e $NAME ${NAME}\nnew $$line'),
        { key: 'RAW', value: '$NAME ${NAME} $$', raw: true },
        { key: 'FILE', value: 'one\n  two\n', file: true },
        setting('PATH_OF', '${FILE}it'),
        setting('TWICE', 'first'),
        setting('TWICE', 'last'),
      ],
    },
    expected: {
      ...success,
      lines: [
        'a "b" \'c\' `d` \\e wörld wörld',
        'new $line|$NAME ${NAME} $$|',
        'one',
        '  two',
        'its place',
        'is it',
        'last',
      ],
    },
  },
  {
    name: 'much output, and what is no text',
    job: {
      script: [
        'seq 1 20000',
        "head -c 300000 /dev/zero | tr '\\0' x; echo",
        "printf 'a\\377b\\n'; printf '\\303'; sleep 0.2; printf '\\266\\n'",
        'cat; echo "no "input',
      ],
    },
    expected: {
      ...success,
      lines: [
        ...Array.from({ length: 20_000 }, (_, index) => String(index + 1)),
        'x'.repeat(300_000),
        'a\uFFFDb',
        'ö',
        'no input',
      ],
    },
  },
  {
    name: 'canceled: after_script still runs',
    job: { script: ticking, afterScript: ['echo "after: "$CI_JOB_STATUS'] },
    cancel: { once: 'tick-103', how: 'gracefully' },
    expected: {
      state: 'canceled',
      sections: withAfterScript,
      lines: ['tick-101', 'after: canceled'],
      lacks: ['never-reached'],
    },
  },
  {
    name: 'canceled at once: nothing runs any more',
    job: { script: ticking, afterScript: ['echo "never"-reached'] },
    cancel: { once: 'tick-103', how: 'at once' },
    expected: {
      state: 'canceled',
      sections: [...before, 'step_script'],
      lines: ['tick-101'],
      lacks: ['never-reached'],
    },
  },
]
