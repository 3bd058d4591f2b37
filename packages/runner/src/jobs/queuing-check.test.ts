import { expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import type { ConfigError } from '../config/problem.ts'
import type { JobQueuingDuration } from '../config/settings.ts'
import { createQueuingCheck } from './queuing-check.ts'

const config = (monitoring: string): string => `[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "local"
${monitoring}`

const read = (...entries: string[]): readonly JobQueuingDuration[] =>
  parseConfig(config(entries.map((entry) => `[[runners.monitoring.job_queuing_durations]]\n${entry}\n`).join('')))
    .settings.runners[0]!.monitoring.jobQueuingDurations

const wallTime = Date.UTC(2026, 0, 5, 10, 30, 17)
const exceeds = (durations: readonly JobQueuingDuration[], seconds: number, running = '0'): boolean =>
  createQueuingCheck(durations)(
    { time_in_queue_seconds: seconds, project_jobs_running_on_instance_runners_count: running },
    wallTime,
  )

const always = 'periods = ["* * * * *"]\ntimezone = "UTC"\n'
const at = (hour: number, threshold: string): string =>
  `periods = ["* ${hour} * * *"]\ntimezone = "UTC"\nthreshold = "${threshold}"`

test('only longer than the threshold is too long', () => {
  const durations = read(`${always}threshold = "1m30s"`)
  expect(exceeds(durations, 90)).toBe(false)
  expect(exceeds(durations, 90.5)).toBe(true)
  expect(exceeds(read(`${always}threshold = "0s"`), 9_999)).toBe(false)
  expect(exceeds([], 9_999)).toBe(false)
})

test('the last entry in force counts; with none in force everything is acceptable', () => {
  expect(exceeds(read(at(10, '1s'), at(10, '1h'), at(11, '1s')), 60)).toBe(false)
  expect(exceeds(read(at(10, '1h'), at(10, '1s'), at(11, '1h')), 60)).toBe(true)
  expect(exceeds(read(at(9, '1s'), at(11, '1s')), 60)).toBe(false)
  expect(exceeds(read(`periods = ["* 11 * * *"]\ntimezone = "Europe/Berlin"\nthreshold = "1s"`), 60)).toBe(true)
})

test('a project with more running jobs than the expression matches may wait', () => {
  const durations = read(`${always}threshold = "1s"\njobs_running_for_project = "^(0|1|2)$"`)
  expect(exceeds(durations, 60, '2')).toBe(true)
  expect(exceeds(durations, 60, '+Inf')).toBe(false)
  expect(exceeds(durations, 60, '')).toBe(false)
})

test("GitLab Runner's seven fields are read where seconds and years are *", () => {
  expect(exceeds(read(`periods = ["* * 10 * * mon *"]\ntimezone = "UTC"\nthreshold = "1s"`), 60)).toBe(true)
  expect(exceeds(read(`periods = ["* * 10 * * tue *"]\ntimezone = "UTC"\nthreshold = "1s"`), 60)).toBe(false)
})

test('what cannot be meant is named', () => {
  const entry =
    'periods = ["0 * * * * * *", "* * * *"]\nthreshold = "-1s"\njobs_running_for_project = "("\ntimezone = "Mars"\n'
  let problems: readonly string[] = []
  try {
    read(entry)
  } catch (error) {
    problems = (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`)
  }
  const place = 'runners[0].monitoring.job_queuing_durations[0]'
  const cron = 'expected a cron expression of five fields, or of seven with * for seconds and years'
  expect(problems.toSorted()).toEqual(
    [
      `${place}.periods[0]: ${cron}, got "0 * * * * * *"`,
      `${place}.periods[1]: ${cron}, got "* * * *"`,
      `${place}.threshold: expected a duration such as "20m0s", got "-1s"`,
      `${place}.jobs_running_for_project: expected a regular expression, got "("`,
      `${place}.timezone: expected an IANA time zone such as "Europe/Berlin", got "Mars"`,
    ].toSorted(),
  )
})
