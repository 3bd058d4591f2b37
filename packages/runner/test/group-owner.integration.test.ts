// Whole jobs, while another manager takes the instance group: the plugin `local`, with an owner as a cloud holds it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CreateInstanceGroup, GroupOwner, InstanceGroup } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { parseConfig, Runner } from '@runner-core/runner'
import { Coordinator } from '@runner-core/runner/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

const { signal } = new AbortController()
const other: GroupOwner = { id: 'there', name: 'fleet of somebody', epoch: 1, since: 0 }

let coordinator: Coordinator
let folder: string
let machines: InstanceGroup
let owners: readonly GroupOwner[]
let removed: string[]
let lines: string[]
let runner: Runner

const createInstanceGroup = async (): Promise<CreateInstanceGroup> => {
  const local = await loadPlugin('local')
  return (config, context) => {
    const group = local.createInstanceGroup(config, context)
    machines = group
    return {
      init: (limit) => group.init(limit),
      list: (limit) => group.list(limit),
      increase: (request, limit) => group.increase(request, limit),
      decrease: (ids, limit) => {
        removed.push(...ids)
        return group.decrease(ids, limit)
      },
      connectInfo: (id, limit) => group.connectInfo(id, limit),
      owners: async () => owners,
      claim: async (owner) => {
        owners = owner === undefined ? [] : [owner]
      },
      // The machines go with the process that has them, here the test's.
      shutdown: async () => {},
    }
  }
}

beforeEach(async () => {
  coordinator = await Coordinator.start()
  folder = mkdtempSync(join(tmpdir(), 'group-owner-'))
  owners = []
  removed = []
  lines = []
})
afterEach(async () => {
  await runner.stop('fast')
  await machines.shutdown()
  expect(coordinator.violations).toEqual([])
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(): Promise<void> {
  const { settings } = parseConfig(`check_interval = 0.2
[[runners]]
name = "one"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
shell = "sh"
[runners.autoscaler]
plugin = "owned"
max_instances = 2
update_interval_when_expecting = "100ms"
plugin_config = { root_dir = "${folder}" }
[[runners.autoscaler.policy]]
idle_time = "0s"
`)
  const log = ({ error }: { readonly error?: Error }, message: string): void =>
    void lines.push(message, error?.message ?? '')
  const findPlugin = { createInstanceGroup: await createInstanceGroup() }
  runner = await Runner.start({
    settings,
    systemId: 's_0123456789ab',
    findPlugin: async () => findPlugin,
    logger: { debug: log, info: log, warn: log, error: log },
  })
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

test('a runner without state whose group another manager has taken removes nothing, reports its jobs, and ends as lost', async () => {
  await start()
  const stays = coordinator.enqueue({ script: ['echo be""gun', 'sleep 1000'] })
  await until(() => /begun/.test(stays.trace.text()))
  expect(owners).toMatchObject([{ name: expect.stringMatching(/^fleet one on /), epoch: 1 }])
  owners = [other]
  const ends = coordinator.enqueue({ script: ['true'] })

  expect(await runner.departed).toBe('lost')
  expect(removed).toEqual([])
  expect((await machines.list(signal)).map(({ state }) => state)).toEqual(['running', 'running'])
  // The other manager knows neither job.
  expect([ends.state, stays.state, stays.failureReason]).toEqual(['success', 'failed', 'runner_interrupted'])
  expect(owners).toEqual([other])
  expect(lines).toEqual(
    expect.arrayContaining([
      'another manager took the instance group over: this one takes no more jobs for it',
      'the fleet has another owner, stopped',
      'runner ends: it has lost its fleets',
    ]),
  )
})

test('a runner whose group belongs to another manager takes no job, and says whose it is', async () => {
  owners = [other]
  await start()
  const job = coordinator.enqueue({ script: ['true'] })
  await until(() => lines.includes('fleet does not start, trying again'))
  expect(lines).toContainEqual(
    expect.stringMatching(/^local\/one belongs to fleet of somebody \(owner there, epoch 1\)/),
  )
  expect(job.state).toBe('pending')
  expect(owners).toEqual([other])
})
