import { expect, test } from 'vitest'
import { makeJob } from './job-kinds.ts'
import { complaintsOf, type DemoRecord, type EndedJob, renderReport, resultOf } from './report.ts'

const ended = (id: number, rest: Partial<EndedJob> = {}): EndedJob => ({
  id,
  job: makeJob({ index: id, durationMs: 100 }),
  deviations: [],
  state: 'success',
  failureReason: undefined,
  exitCode: undefined,
  waitMs: id * 10,
  busyMs: 500,
  trace: 'section_start:1:step_script\r\x1b[0K\x1b[32;1m$ true\x1b[0;m\nsection_end:1:step_script\r\x1b[0Kdone\n',
  ...rest,
})

const record: DemoRecord = {
  jobs: [
    ended(0),
    ended(1),
    ended(3, { state: 'failed', waitMs: undefined }),
    ended(2, { deviations: ['state: expected success, got failed'], state: 'failed' }),
  ],
  instances: { created: 3, peak: 2 },
  leaked: [],
  violations: [],
  machineMs: 2000,
  elapsedMs: 12_345,
  slots: 2,
}

test('the result has exactly the fields it must', () => {
  expect(resultOf(record)).toEqual({
    jobs: { total: 4, asExpected: 3, success: 2, failed: 2, canceled: 0 },
    waitMs: { p50: 10, p95: 20, p99: 20 },
    instances: { created: 3, peak: 2, leaked: 0 },
    seconds: 12.3,
  })
  expect(resultOf({ ...record, jobs: [] }).waitMs).toBeNull()
})

test('whatever is wrong is complained about', () => {
  const good = { ...record, jobs: [ended(0)] }
  expect(complaintsOf(good, 2)).toEqual([])
  expect(complaintsOf(good, 1)).toEqual(['2 instances at once, at most 1 are allowed'])
  expect(complaintsOf({ ...record, leaked: ['process 7'], violations: ['token'] }, 2)).toEqual([
    'job 2, success: state: expected success, got failed',
    'left behind: process 7',
    'against the job API: token',
  ])
})

test('the report', () => {
  expect(renderReport(record, false)).toMatchInlineSnapshot(`
    [
      "kind of job     jobs   as expected   outcome",
      "success         2      ONLY 1        success",
      "exit code       1      all           failed · script_failure · exit 3",
      "masked secret   1      all           success",
      "",
      "jobs       3 of 4 as expected: 2 success, 2 failed, 0 canceled",
      "waits      p50 10 ms, p95 20 ms, p99 20 ms from arrival to the first output of the script",
      "instances  3 made, 2 at most at once, 0 left behind",
      "time       2.0 machine-seconds of 2 slots each for 2.0 job-seconds (50 % of the slots' time), 12.3 s in all",
      "",
      "trace of job 1, masked secret:",
      "  | $ true",
      "  | done",
    ]
  `)
})
