import { expect, test } from 'vitest'
import { keyLines, lineOf } from './key-lines.ts'

const toml = `# a comment = 1
concurrent = 1
script = """
concurrent = 2
[[runners]]
"""
[[runners]]
  name = "a"
  environment = [
    "name=1",
  ]
  [runners.autoscaler]
    [[runners.autoscaler.policy]]
    idle_count = 1
    [[runners.autoscaler.policy]]
    idle_count = 2
[[runners]]
  name = "b"
  autoscaler.plugin = "local"
  [[runners.autoscaler.policy]]
  periods = ["* * * * *"]
`

test.each([
  ['concurrent', 2],
  ['script', 3],
  ['runners[0]', 7],
  ['runners[0].name', 8],
  ['runners[0].environment', 9],
  ['runners[0].environment[0]', 9],
  ['runners[0].autoscaler', 12],
  ['runners[0].autoscaler.policy[0].idle_count', 14],
  ['runners[0].autoscaler.policy[1].idle_count', 16],
  ['runners[0].autoscaler.policy[1].idle_time', 15],
  ['runners[1].name', 18],
  ['runners[1].autoscaler.plugin', 19],
  ['runners[1].autoscaler.policy[0].periods[0]', 21],
  ['runners[1].url', 17],
  ['missing', undefined],
  ['runners[7].a]b', undefined],
])('%s stands in line %s', (path, line) => {
  expect(lineOf(path, keyLines(toml))).toBe(line)
})

test('line ends of Windows count the same', () => {
  expect(lineOf('runners[1].name', keyLines(toml.replaceAll('\n', '\r\n')))).toBe(18)
})
