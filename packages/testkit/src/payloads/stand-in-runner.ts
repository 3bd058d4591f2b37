#!/usr/bin/env -S node --conditions=@runner-core/source
// Stands in for a stock gitlab-runner in the test of `npm run compare`: reads a configuration of the `ssh` executor,
// and has this project's runner do the work, one word of which it changes.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

if (process.argv[2] === '--version') console.log('Version:      0.0.0-stand-in\nGit revision: none')
else {
  const [, , , , file = ''] = process.argv
  const given = readFileSync(file, 'utf8')
  const field = (name: string): string => new RegExp(`^${name} = "(.*)"$`, 'm').exec(given)?.[1] ?? ''
  const config = `concurrent = 1
[[runners]]
name = "stand-in"
url = "${field('url')}"
token = "${field('token')}"
executor = "instance"
builds_dir = "${field('builds_dir')}"
cache_dir = "${field('cache_dir')}"
environment = ["AFTER_SCRIPT_IGNORE_ERRORS=false"]
[runners.autoscaler]
plugin = "static"
plugin_config = { instances = { a = { internal_addr = "${field('host')}:${field('port')}", username = "${field('user')}", key_path = "${field('identity_file')}" } } }
capacity_per_instance = 1
max_instances = 1
[[runners.autoscaler.policy]]
idle_time = "1h"
`
  writeFileSync(`${file}.stand-in`, config)
  const bin = fileURLToPath(new URL('../../../runner/bin/runner-core.js', import.meta.url))
  const runner = spawn(process.execPath, [bin, 'run', '--config', `${file}.stand-in`], { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGQUIT'] as const) process.on(signal, () => runner.kill(signal))
  runner.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}
