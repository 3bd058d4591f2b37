import { expect, test } from 'vitest'
import { parseConfig, readConfig } from './parse-config.ts'
import { stateDirectory } from './state-settings.ts'

const config = (top: string, autoscaler = ''): string => `${top}
[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "local"
${autoscaler}`

const read = (top: string, autoscaler = '') => {
  const { settings } = parseConfig(config(top, autoscaler), { file: '/etc/runner/config.toml' })
  return { directory: stateDirectory(settings, settings.runners[0]!), keyFile: settings.stateKeyFile }
}

test('state is kept where state_dir says, or else the table of GitLab Runner, or nowhere', () => {
  const storage = '[runners.autoscaler.state_storage]\n'
  expect(read('').directory).toBeUndefined()
  expect(read('state_dir = "/var/lib/r"').directory).toBe('/var/lib/r')
  expect(read('', `${storage}enabled = true`).directory).toBe('/etc/runner/.taskscaler')
  expect(
    read('', `${storage}enabled = true\ndir = "/srv/state"\nkeep_instance_with_acquisitions = true`).directory,
  ).toBe('/srv/state')
  expect(read('', `${storage}dir = "/srv/state"`).directory).toBeUndefined()
  expect(read('state_dir = "/var/lib/r"', `${storage}enabled = true\ndir = "/srv/state"`).directory).toBe('/var/lib/r')
  expect(read('state_dir = "/var/lib/r"', `${storage}enabled = false`).directory).toBe('/var/lib/r')
})

test('the key is beside the configuration, or where it says, but never inside the state', () => {
  expect(read('').keyFile).toBe('/etc/runner/.runner_state_key')
  expect(read('state_key_file = "/srv/runner/key"').keyFile).toBe('/srv/runner/key')
  const problems = (top: string): readonly unknown[] =>
    readConfig(config(top), { file: '/etc/runner/config.toml' }).problems
  const inside = { path: 'state_key_file', message: 'expected a path outside the state directory, got one inside it' }
  expect(problems('state_dir = "/var/lib/r"\nstate_key_file = "/var/lib/r/key"')).toEqual([inside])
  expect(problems('state_dir = "/var/lib/r"\nstate_key_file = "/var/lib/x/../r/a/key"')).toEqual([inside])
  expect(problems('state_dir = "/etc/runner"')).toEqual([inside])
  expect(problems('state_dir = "/var/lib/r"\nstate_key_file = "/var/lib/r.key"')).toEqual([])
})
