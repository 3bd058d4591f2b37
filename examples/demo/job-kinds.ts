import type { JobSpec } from '@runner-core/runner/testing'
import type { Expectation } from './expectation.ts'

/** What a job of the demo is made from. */
export interface Work {
  /** Unique, 0 …. */
  readonly index: number
  /** How long its script works, milliseconds. */
  readonly durationMs: number
}

/** A job of the demo with the end it must come to. */
export interface DemoJob {
  readonly kind: string
  readonly spec: JobSpec
  readonly expected: Expectation
  /** When the demo cancels it: before it is handed out, or once its script has printed something. Absent: never. */
  readonly cancel?: 'waiting' | 'under way'
  /** Part of a command line that no process may have any more soon after the job has ended. */
  readonly mustEnd?: string
}

/** What every script prints first; the backslash keeps it out of the echo of the command. */
const marker = 'the script is under way'
const underWay = 'echo the script is under\\ way'

type MakeJob = (work: Work, seconds: string) => Omit<DemoJob, 'kind'>

const failed = (exitCode: number): Pick<Expectation, 'state' | 'failureReason' | 'exitCode'> => ({
  state: 'failed',
  failureReason: 'script_failure',
  exitCode,
})

const kinds: Readonly<Record<string, MakeJob>> = {
  success: (_, seconds) => ({
    spec: {
      script: [
        underWay,
        'echo "$(wc -c) bytes on standard input"',
        `sleep ${seconds}`,
        'echo "all $((40 + 2)) tests passed"',
      ],
    },
    expected: { state: 'success', has: [marker, '0 bytes on standard input', 'all 42 tests passed'], lacks: [] },
  }),

  'long log': () => ({
    spec: { script: [underWay, 'for i in $(seq 1 2000); do echo "line $i: 日本語, ünïcode, ✓"; done'] },
    expected: {
      state: 'success',
      has: [marker, Array.from({ length: 2000 }, (_, i) => `line ${i + 1}: 日本語, ünïcode, ✓\n`).join('')],
      lacks: [],
    },
  }),

  'exit code': (_, seconds) => ({
    spec: { script: [underWay, `sleep ${seconds}; exit 3`, 'echo not\\ reached'] },
    expected: { ...failed(3), has: [marker], lacks: ['not reached'] },
  }),

  'unknown command': () => ({
    spec: { script: [underWay, 'no-such-command --help', 'echo not\\ reached'] },
    expected: { ...failed(127), has: [marker, 'no-such-command'], lacks: ['not reached'] },
  }),

  'masked secret': ({ index }) => {
    // It contains its own beginning, and it comes in two writes with a pause between.
    const secret = `hush-hush-hush-${index}-q7`
    const token = `glpat-${'0123456789abcdefghij'.slice(index % 5)}`
    return {
      spec: {
        variables: [
          { key: 'DEPLOY_KEY', value: secret, masked: true, public: false },
          { key: 'TOKEN_TAIL', value: token.slice(6) },
        ],
        script: [
          underWay,
          'echo "key $DEPLOY_KEY end"',
          'printf "hush-hush-%.10s" "$DEPLOY_KEY"; sleep 0.1; echo "${DEPLOY_KEY#??????????} end"',
          'echo "token glpat-$TOKEN_TAIL end"',
        ],
      },
      expected: {
        state: 'success',
        has: [marker, 'key [MASKED] end\n', 'hush-hush-[MASKED] end\n', 'token glpat-[MASKED] end\n'],
        lacks: [secret, token.slice(6)],
      },
    }
  },

  variables: () => ({
    spec: {
      variables: [
        { key: 'NAME', value: 'wörld' },
        { key: 'GREETING', value: 'hello $NAME, it\'s "$$5"' },
        { key: 'RAW', value: '$NAME', raw: true },
        { key: 'NOTE', value: 'two\nlines\n', file: true },
      ],
      script: [underWay, 'echo "$GREETING|$RAW|$(cat "$NOTE")|"'],
    },
    expected: { state: 'success', has: [marker, 'hello wörld, it\'s "$5"|$NAME|two\nlines|\n'], lacks: [] },
  }),

  after_script: (_, seconds) => ({
    spec: {
      script: [underWay, `sleep ${seconds}`, 'false'],
      afterScript: ['echo "cleaning up after: $CI_JOB_STATUS"', 'exit 9'],
    },
    expected: { ...failed(1), has: [marker, 'cleaning up after: failed\n'], lacks: [] },
  }),

  canceled: () => ({
    spec: {
      script: [underWay, 'for i in $(seq 1 600); do echo "tick $i"; sleep 0.1; done', 'echo not\\ reached'],
      afterScript: ['echo "cleaning up after: $CI_JOB_STATUS"'],
    },
    expected: {
      state: 'canceled',
      has: [marker, 'tick 1\n', 'cleaning up after: canceled\n'],
      lacks: ['not reached', 'tick 600'],
    },
    cancel: 'under way',
  }),

  'canceled while it waits': () => ({
    spec: { script: ['echo not\\ reached'] },
    expected: { state: 'canceled', has: [], lacks: ['not reached'] },
    cancel: 'waiting',
  }),

  'script time-out': () => ({
    spec: {
      variables: [{ key: 'RUNNER_SCRIPT_TIMEOUT', value: '1s' }],
      script: [underWay, 'sleep 600', 'echo not\\ reached'],
      afterScript: ['echo "cleaning up after: $CI_JOB_STATUS"'],
    },
    expected: {
      state: 'failed',
      failureReason: 'job_execution_timeout',
      has: [marker, 'cleaning up after: timedout\n'],
      lacks: ['not reached'],
    },
  }),

  'job time-out': () => ({
    spec: { timeoutSeconds: 3, script: [underWay, 'sleep 600', 'echo not\\ reached'] },
    expected: {
      state: 'failed',
      failureReason: 'job_execution_timeout',
      has: ['execution took longer than'],
      lacks: ['not reached'],
    },
  }),

  'leaves processes behind': ({ index }) => {
    // Durations that nobody else sleeps for.
    const seconds = `36${String(index).padStart(5, '0')}.25`
    return {
      spec: { script: [underWay, `sleep ${seconds} &`, `(setsid sleep ${seconds} &)`, 'echo the script is\\ over'] },
      expected: { state: 'success', has: [marker, 'the script is over\n'], lacks: [] },
      mustEnd: seconds,
    }
  },
}

/** One round of kinds: what most jobs do, and each of the others. */
const round = [
  'success',
  'masked secret',
  'success',
  'exit code',
  'success',
  'long log',
  'canceled',
  'success',
  'leaves processes behind',
  'success',
  'after_script',
  'success',
  'variables',
  'script time-out',
  'success',
  'unknown command',
  'success',
  'canceled while it waits',
  'success',
  'job time-out',
]

/** Every kind of job, in the order in which they are reported. */
export const kindNames: readonly string[] = Object.keys(kinds)

/** The job that comes of the `index`-th arrival; kinds take turns. */
export function makeJob(work: Work): DemoJob {
  const kind = round[work.index % round.length]!
  const { spec, ...rest } = kinds[kind]!(work, (work.durationMs / 1000).toFixed(3))
  return { kind, spec: { name: kind, marker, ...spec }, ...rest }
}
