// A file of which one entry cannot be heeded: the manager as a shell starts it.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { Managers } from '@runner-core/testkit/manager/managers'
import { expect, test } from 'vitest'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function until<T>(found: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await found()
    if (value !== undefined) return value
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('a refused entry stops only itself, and readiness names it; allowed, its key is ignored', async () => {
  await using managers = new Managers('refused')
  await using cleanUp = new AsyncDisposableStack()
  const coordinator = await Coordinator.start({ tokens: ['glrt-good', 'glrt-refused'] })
  cleanUp.defer(() => coordinator.close())
  const port = await freePort()
  const entry = (name: string, keys: string): string => `
[[runners]]
name = "${name}"
url = "${coordinator.url}"
token = "glrt-${name}"
executor = "instance"
trust = "all"
${keys}
[runners.autoscaler]
plugin = "local"
max_instances = 1
plugin_config = { root_dir = "${join(managers.folder, name)}" }
`
  const referees = 'referees = { metrics = { prometheus_address = "http://127.0.0.1:1" } }'
  managers.configure(
    `check_interval = 0.2\nlisten_address = "127.0.0.1:${port}"\n${entry('refused', referees)}${entry('good', '')}`,
  )
  const ready = async (): Promise<{ status: string; runners: readonly { name: string; problems: string[] }[] }> =>
    (await (await fetch(`http://127.0.0.1:${port}/health/ready`)).json()) as Awaited<ReturnType<typeof ready>>

  const manager = managers.start()
  const job = coordinator.enqueue({ script: ['true'], runnerToken: 'glrt-good' })
  const early = manager.ended.then((code) => {
    throw new Error(`it ended with ${code}:\n${manager.stderr}`)
  })
  early.catch(() => {})
  await Promise.race([job.finished, early])
  expect(job.state).toBe('success')
  const { status, runners } = await ready()
  expect(status).toBe('unavailable')
  expect(runners).toMatchObject([
    { name: 'good', problems: [] },
    {
      name: 'refused',
      state: 'refused',
      problems: [expect.stringContaining('runners[0].referees: expected no such key')],
    },
  ])
  expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200)
  expect(manager.stdout + manager.stderr).toContain('runner is refused')
  manager.process.kill('SIGTERM')
  expect(await manager.ended).toBe(0)

  const allowing = managers.start('--allow-ignored', 'runners.referees')
  const other = coordinator.enqueue({ script: ['true'], runnerToken: 'glrt-refused' })
  await other.finished
  expect(other.state).toBe('success')
  await until(async () => ((await ready()).status === 'ok' ? true : undefined))
  expect(allowing.stdout + allowing.stderr).toContain('runners[0].referees: ignored, as --allow-ignored says')
})
