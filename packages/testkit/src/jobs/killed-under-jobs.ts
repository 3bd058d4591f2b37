import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Runner } from '@runner-core/runner'
import { parseConfig } from '@runner-core/runner/internals'
import { Coordinator } from '@runner-core/runner/testing'
import { type Sshd, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { expect } from 'vitest'

/** A plugin whose machines are all one SSH server, and what a test does to it. */
export interface PluginUnderJobs {
  readonly file: string
  /** TOML: the keys of `plugin_config`. */
  readonly config: string
  /** The process that runs now. */
  pid(): number
  /** Whether it can be initialised from now on. */
  mayStart(may: boolean): void
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/**
 * Jobs run through a plugin's machines; its process is killed under them; they end well, readiness tells, and the next
 * job gets a machine from the next process.
 */
export async function killedUnderJobs(makePlugin: (sshd: Sshd) => PluginUnderJobs): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'killed-under-jobs-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const sshd = await startSshd({ maxSessions: 100, maxStartups: '100' })
  stack.defer(() => sshd.stop())
  const coordinator = await Coordinator.start({ longPollMs: 600_000 })
  stack.defer(() => coordinator.close())
  const plugin = makePlugin(sshd)
  const key = join(folder, 'key')
  writeFileSync(key, sshd.privateKey, { mode: 0o600 })
  const { settings } = parseConfig(`
check_interval = 0.2
listen_address = "127.0.0.1:0"
[[runners]]
name = "go"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
builds_dir = "${join(folder, 'builds')}"
[runners.autoscaler]
plugin = "${plugin.file}"
max_instances = 5
max_use_count = 1
update_interval_when_expecting = "100ms"
plugin_config = { ${plugin.config} }
[runners.autoscaler.connector_config]
username = "${sshd.username}"
key_path = "${key}"
use_static_credentials = true
`)
  const runner = await Runner.start({ settings })
  stack.defer(() => runner.stop('fast').then(() => {}))
  const ready = async (): Promise<{ readonly status: number; readonly text: string }> => {
    const response = await fetch(`http://127.0.0.1:${runner.statusPort}/health/ready`)
    return { status: response.status, text: await response.text() }
  }
  await until(async () => (await ready()).status === 200)

  const gate = join(folder, 'go-on')
  const script = [`until [ -e ${gate} ]; do sleep 0.05; done`, 'echo through']
  const jobs = Array.from({ length: 3 }, () =>
    coordinator.enqueue({ script: ['echo be""gun', ...script], marker: 'begun' }),
  )
  await until(() => jobs.every(({ times }) => times.firstOutputAt !== undefined))

  plugin.mayStart(false)
  const pid = plugin.pid()
  process.kill(pid, 'SIGKILL')
  await until(async () => (await ready()).status === 503)
  expect((await ready()).text).toContain('the group cannot be reached')
  writeFileSync(gate, '')
  await Promise.all(jobs.map(({ finished }) => finished))
  expect(jobs.map(({ state }) => state)).toEqual(['success', 'success', 'success'])
  expect(existsSync(gate) && (await ready()).status).toBe(503)

  const next = coordinator.enqueue({ script: ['echo again'] })
  plugin.mayStart(true)
  await next.finished
  expect(next.state).toBe('success')
  expect(plugin.pid()).not.toBe(pid)
  await until(async () => (await ready()).status === 200)
  expect(coordinator.violations).toEqual([])
}
