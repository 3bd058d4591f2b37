import { expect, test } from 'vitest'
import { parseOptions } from './options.ts'

test('defaults, and everything given', () => {
  expect(parseOptions([], 100)).toEqual({ jobs: 60, slots: 4, maxInstances: 5, plugin: 'local', json: undefined })
  expect(
    parseOptions(['--jobs', '7', '--slots=2', '--max-instances', '3', '--plugin', 'docker', '--json', 'o.json'], 100),
  ).toEqual({
    jobs: 7,
    slots: 2,
    maxInstances: 3,
    plugin: 'docker',
    json: 'o.json',
  })
  expect(parseOptions(['--help', '--jobs', 'x'], 100)).toBe('help')
})

test('all problems at once', () => {
  expect(
    parseOptions(['--jobs', '101', '--slots', '0', '--max-instances', '1.5', '--plugin', 'aws', '--json', ''], 100),
  ).toEqual({
    problems: [
      '--plugin: expected local or docker, got aws',
      '--json: expected a file name, got nothing',
      '--jobs: expected a whole number from 1 to 100, got 101',
      '--slots: expected a whole number from 1 to 100, got 0',
      '--max-instances: expected a whole number from 1 to 100, got 1.5',
    ],
  })
})

test.each([['--job', '3'], ['--jobs'], ['extra'], ['--help=no']])('refuses %s', (...args) => {
  expect(parseOptions(args, 100)).toHaveProperty('problems', [expect.any(String)])
})
