import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { startBin } from '@runner-core/testkit/manager/bin'
import { expect } from 'vitest'

export interface CloudSetup {
  /** Short name of the plugin. */
  readonly plugin: string
  /** Lines of `[runners.autoscaler.plugin_config]`; files that it names go into the folder. */
  readonly pluginConfig: (folder: string) => string
  /** Lines of `[runners.autoscaler.connector_config]`, besides the key. */
  readonly connectorConfig: string
  /** What lets the runner into every machine. */
  readonly privateKey: string
  /** For the runner's process, besides its own environment. */
  readonly env?: (folder: string) => NodeJS.ProcessEnv
}

const jobCount = 40

/**
 * Runs 40 jobs through `runner-core run`, each machine used for five, until the runner has removed all its machines and
 * ended.
 */
export async function runFortyJobs({
  plugin,
  pluginConfig,
  connectorConfig,
  privateKey,
  env,
}: CloudSetup): Promise<void> {
  await using cleanUp = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-cloud-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'key'), privateKey, { mode: 0o600 })
  const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1 }))
  const jobs = Array.from({ length: jobCount }, (_, number) =>
    coordinator.enqueue({ script: [`echo "job ${number} is here"`, number % 10 === 9 ? 'exit 3' : 'true'] }),
  )
  const config = `concurrent = 8
shutdown_timeout = 60
[[runners]]
name = "cloud"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
[runners.autoscaler]
plugin = "${plugin}"
capacity_per_instance = 1
max_instances = 5
max_use_count = 5
update_interval = "1s"
update_interval_when_expecting = "200ms"
delete_instances_on_shutdown = true
[runners.autoscaler.plugin_config]
${pluginConfig(folder)}
[runners.autoscaler.connector_config]
key_path = "${join(folder, 'key')}"
use_static_credentials = true
${connectorConfig}
[[runners.autoscaler.policy]]
idle_count = 0
idle_time = "0s"
`
  writeFileSync(join(folder, 'config.toml'), config)
  const runner = startBin(['run', '--config', join(folder, 'config.toml')], {
    env: { ...process.env, ...env?.(folder) },
  })
  cleanUp.defer(() => void runner.process.kill('SIGKILL'))
  const early = runner.ended.then((code) =>
    Promise.reject(new Error(`the runner ended with ${code}:\n${runner.stderr}`)),
  )
  early.catch(() => {})
  await Promise.race([Promise.all(jobs.map(({ finished }) => finished)), early])

  for (const [number, job] of jobs.entries()) {
    const expected =
      number % 10 === 9 ? { state: 'failed', exitCode: 3, failureReason: 'script_failure' } : { state: 'success' }
    expect(job, job.trace.text()).toMatchObject(expected)
    expect(job.trace.text()).toContain(`\njob ${number} is here\n`)
  }
  expect(coordinator.violations).toEqual([])
  runner.process.kill('SIGQUIT')
  expect(await runner.ended, runner.stderr).toBe(0)
}
