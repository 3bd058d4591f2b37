import type { JobSpec } from '@runner-core/runner/testing'

/** Contains its own beginning, so that a careless matcher loses it. */
export const secret = 'over-over-over-there-9'

/** A job, and how it must end. */
export interface Case {
  readonly name: string
  readonly spec: JobSpec
  readonly expected: { readonly state: string; readonly failureReason?: string; readonly exitCode?: number }
  /**
   * Exactly what the script prints between its first line, `<`, and its last one, `>`; or up to the end of the script
   * when it does not come that far.
   */
  readonly output?: string
  readonly has?: readonly string[]
  readonly lacks?: readonly string[]
  /** Canceled once it has printed its marker. */
  readonly cancel?: 'gracefully' | 'at once'
}

const open = 'printf "%s\\n" "<"'
const close = 'printf "%s\\n" ">"'
const echoed = (line: string): string => `\x1b[32;1m$ ${line}\x1b[0;m\n`
/** A script of one command between the marks, and all that the trace has between them. */
const framed = (line: string, output: string): { script: string[]; output: string } => ({
  script: [open, line, close],
  output: echoed(line) + output + echoed(close),
})
const success = { state: 'success' }
const failed = (exitCode: number): Case['expected'] => ({ state: 'failed', failureReason: 'script_failure', exitCode })

function make(
  name: string,
  expected: Case['expected'],
  { script, output }: { script: string[]; output: string },
  rest: Partial<JobSpec> = {},
): Case {
  return { name, spec: { name, script, ...rest }, expected, output }
}

const ticking = [open, 'for i in $(seq 300); do echo tick; sleep 0.1; done', 'echo never\\ reached']

const variables: JobSpec['variables'] = [
  { key: 'NAME', value: 'wörld' },
  { key: 'TEXT', value: 'a "b" \'c\' `d` \\e $NAME\nnew $$line' },
  { key: 'RAW', value: '$NAME ${NAME} $$', raw: true },
  { key: 'FILE', value: 'one\n  two\n', file: true },
  { key: 'TWICE', value: 'first' },
  { key: 'TWICE', value: 'last' },
]
const masked = [{ key: 'SECRET', value: secret, masked: true }]

/** What a runner must get right, one job each. */
export const cases: readonly Case[] = [
  make('one line', success, framed('echo hello', 'hello\n')),
  make('nothing printed', success, framed('true', '')),
  make('no newline at the end', success, framed('printf abc', `abc`)),
  make('both outputs', success, framed('echo out; sleep 0.1; echo err >&2; sleep 0.1', 'out\nerr\n')),
  make('many lines', success, framed('seq 1 5000', Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join(''))),
  make('a long line', success, framed("head -c 300000 /dev/zero | tr '\\0' x; echo", `${'x'.repeat(300_000)}\n`)),
  make('invalid UTF-8', success, framed("printf 'a\\377b\\303\\n'", 'a\uFFFDb\uFFFD\n')),
  make('split UTF-8', success, framed("printf '\\303'; sleep 0.1; printf '\\266\\n'", 'ö\n')),
  make('empty input', success, framed('cat; echo end', 'end\n')),
  make('quoted variables', success, framed('printf "%s|" "$TEXT"; echo', 'a "b" \'c\' `d` \\e wörld\nnew $line|\n'), {
    variables,
  }),
  make('raw variable', success, framed('echo "$RAW"', '$NAME ${NAME} $$\n'), { variables }),
  make('file variable', success, framed('cat "$FILE"', 'one\n  two\n'), { variables }),
  make('the last variable wins', success, framed('echo $TWICE', 'last\n'), { variables }),
  make('secret', success, framed('echo "[$SECRET]"', '[[MASKED]]\n'), { variables: masked }),
  make(
    'secret in two writes',
    success,
    framed('printf "%.12s" "$SECRET"; sleep 0.2; echo "${SECRET#????????????}"', '[MASKED]\n'),
    {
      variables: masked,
    },
  ),
  make('secret after its beginning', success, framed('echo "over-over-$SECRET"', 'over-over-[MASKED]\n'), {
    variables: masked,
  }),
  make('token by its prefix', success, framed('echo "glpat-"$(echo abc)DEF.', 'glpat-[MASKED]\n')),
  make('directories', success, framed('[ "$PWD" = "$CI_PROJECT_DIR" ] && ls -A && echo empty', 'empty\n')),
  ...[1, 2, 77, 255].map((code) =>
    make(`exit ${code}`, failed(code), { script: [open, `(exit ${code})`, close], output: echoed(`(exit ${code})`) }),
  ),
  make('unset command', failed(127), { script: [open, 'exec 2>&1; no-such-command', close], output: '' }),
  make('first failure ends it', failed(1), {
    script: [open, 'false', 'echo never\\ reached'],
    output: echoed('false'),
  }),
  {
    name: 'after_script',
    spec: { script: [open, 'exit 4'], afterScript: ['echo "after: "$CI_JOB_STATUS', 'exit 9'] },
    expected: failed(4),
    has: ['after: failed\n'],
  },
  {
    name: 'script time-out',
    spec: {
      script: [open, 'sleep 300', 'echo never\\ reached'],
      variables: [{ key: 'RUNNER_SCRIPT_TIMEOUT', value: '1s' }],
    },
    expected: { state: 'failed', failureReason: 'job_execution_timeout' },
    lacks: ['never reached'],
  },
  {
    name: 'canceled',
    spec: { script: ticking, afterScript: ['echo "after: "$CI_JOB_STATUS'], marker: 'tick\n' },
    expected: { state: 'canceled' },
    has: ['after: canceled\n'],
    lacks: ['never reached'],
    cancel: 'gracefully',
  },
  {
    name: 'canceled at once',
    spec: { script: ticking, afterScript: ['echo after: $CI_JOB_STATUS'], marker: 'tick\n' },
    expected: { state: 'canceled' },
    lacks: ['after: canceled', 'never reached'],
    cancel: 'at once',
  },
  make('something left behind', success, { script: [open, 'sleep 300 & (setsid sleep 300 &)', close], output: '' }),
]
