// `runner-core status` and `runner-core explain` as a shell starts them: of a manager that runs, over its pages and
// without any, and of one that was killed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { type BinRun, runBin, startBin } from '@runner-core/testkit/manager/bin'
import { afterEach, beforeEach, expect, test } from 'vitest'

let coordinator: Coordinator
let folder: string
let manager: BinRun | undefined

beforeEach(async () => {
  coordinator = await Coordinator.start()
  folder = mkdtempSync(join(tmpdir(), 'explain-'))
})
afterEach(async () => {
  manager?.process.kill('SIGTERM')
  await manager?.ended
  manager = undefined
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

const config = (): string => join(folder, 'config.toml')
function configure(top: string): void {
  writeFileSync(
    config(),
    `check_interval = 0.2
${top}
[[runners]]
name = "one"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
shell = "sh"
[runners.autoscaler]
plugin = "local"
max_instances = 1
update_interval_when_expecting = "100ms"
plugin_config = { root_dir = "${folder}/machines", unowned_timeout_ms = 3000 }
[[runners.autoscaler.policy]]
idle_time = "1m"
`,
  )
}

async function ask(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runBin([...args, '--config', config()])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}

const freePort = async (): Promise<number> => {
  const other = await Coordinator.start()
  await other.close()
  return Number(new URL(other.url).port)
}

test('a manager that runs is asked over its pages', async () => {
  configure(`listen_address = "127.0.0.1:${await freePort()}"`)
  manager = startBin(['run', '--config', config()])
  const job = coordinator.enqueue({ script: ['echo hello'] })
  await until(() => job.state === 'success')
  const text = await ask('explain', '--job', String(job.id))
  expect(text).toMatch(/^one:\njob \d+ waited/)
  expect(text).toMatch(
    /because of: launch\n[\s\S]*increase by 1: .*1 for waiting jobs[\s\S]*job got its slot: instance local-/,
  )
  expect(text).not.toContain(Coordinator.token)
  const shown = JSON.parse(await ask('status', '--json')) as {
    isRunning: boolean
    pid: number
    runners: { running: { instances: { id: string; why: string }[] } }[]
  }
  expect(shown).toMatchObject({ isRunning: true, pid: manager.process.pid })
  const [instance] = shown.runners[0]!.running.instances
  expect(instance!.why).toMatch(/^idle for .*; removed after 1 min without work$/)
  expect(await ask('status')).toContain(`${instance!.id}  running  0 now, 1 so far`)
  expect(await ask('explain', '--instance', instance!.id)).toMatch(
    /increase by 1[\s\S]*seen[\s\S]*passed its readiness check[\s\S]*job \d+ ended after .* success/,
  )
  const last = JSON.parse(await ask('explain', '--last', '2', '--json')) as { decisions: { kind: string }[] }[]
  expect(last[0]!.decisions.map(({ kind }) => kind)).toEqual(['seen', 'ready'])
  expect(await runBin(['explain', '--job', '99999', '--config', config()])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nothing is on record of job 99999'),
  })
})

test('without pages its state is read, also after kill -9', async () => {
  configure(`state_dir = "${folder}/state"`)
  manager = startBin(['run', '--config', config()])
  const first = coordinator.enqueue({ script: ['sleep 6'] })
  const second = coordinator.enqueue({ script: ['echo hello'] })
  await until(() => second.state === 'success')
  await until(async () =>
    (await runBin(['explain', '--job', String(second.id), '--config', config()])).stdout.startsWith('one:'),
  )
  const because = async (): Promise<unknown> =>
    (JSON.parse(await ask('explain', '--job', String(second.id), '--json')) as unknown[])[0]
  await until(async () => ((await because()) as { fate: string }).fate === 'ended')
  expect(await because()).toMatchObject({ runner: 'one', because: expect.arrayContaining(['max_instances']) })
  expect(await ask('status')).toMatch(/^manager \d+, version .* running for/)
  manager.process.kill('SIGKILL')
  await manager.ended
  manager = undefined
  expect(await because()).toMatchObject({ because: expect.arrayContaining(['max_instances']) })
  expect(await ask('explain', '--job', String(first.id))).toContain('ended: success')
  expect(await ask('status')).toMatch(/^no manager runs; the last one/)
  for (const file of ['status.json', 'one/decisions.jsonl'])
    expect(readFileSync(join(folder, 'state', file), 'utf8')).not.toContain(Coordinator.token)
})

test('with neither pages nor state nobody can be asked, and it says how', async () => {
  configure('')
  for (const command of ['status', 'explain'])
    expect(await runBin([command, '--config', config()])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/set listen_address .* state_dir/),
    })
})
