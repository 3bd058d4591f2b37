import { silentLogger } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup, type MemoryShell, simpleShell } from '@runner-core/fleeting/testing'
import { Registry } from 'prom-client'
import { beforeEach, expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { fleetBuckets } from '../metrics/fleet-buckets.ts'
import { registerFleetMetrics } from '../metrics/fleet-metrics.ts'
import { type Fleet, startFleet } from './fleet.ts'

const labels = { runner: 'abc', runner_name: 'a', system_id: 's_0' }
let clock: ManualClock
let group: MemoryGroup
let commands: string[]
let freePlaces: number
let lines: { readonly fields: object; readonly message: string }[]

beforeEach(() => {
  clock = new ManualClock()
  commands = []
  freePlaces = 100
  lines = []
  const shell: MemoryShell = (command, ...rest) => {
    commands.push(command)
    return command === 'prove' ? { stderr: 'not yet\n', exit: { code: 3 } } : simpleShell(command, ...rest)
  }
  group = new MemoryGroup({ clock, maxSize: 10, shell })
})

async function start(autoscaler: string, claimGroup: (id: string) => void = () => {}): Promise<Fleet> {
  const runner = parseConfig(`[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "memory"
${autoscaler}`).settings.runners[0]!
  const logger = { ...silentLogger, warn: (fields: object, message: string) => lines.push({ fields, message }) }
  const observers = registerFleetMetrics(new Registry(), () => [], fleetBuckets([]))(labels)
  const findPlugin = async (): Promise<{ createInstanceGroup: () => MemoryGroup }> => ({ createInstanceGroup: () => group })
  return startFleet(
    { runner, findPlugin, observers, freePlaces: () => freePlaces, claimGroup, clock, random: () => 0, logger },
    new AbortController().signal,
  )
}

test('keeps what the policy asks for, and proves it by the ready command', async () => {
  const fleet = await start('capacity_per_instance = 2\ninstance_ready_command = "true"\n[[runners.autoscaler.policy]]\nidle_count = 3\n')
  await clock.advance(10_000)
  expect(fleet.scaler.status().tasks.idle).toBe(4)
  expect(commands).toEqual(['true', 'true'])
})

test('an instance whose ready command fails is not used, and the log has its output', async () => {
  const fleet = await start('instance_ready_command = "prove"\nmax_instances = 1\n[[runners.autoscaler.policy]]\nidle_count = 1\n')
  await clock.advance(5_000)
  expect(fleet.scaler.status().tasks.idle).toBe(0)
  expect(lines).toContainEqual({
    fields: expect.objectContaining({ err: expect.objectContaining({ message: expect.stringMatching(/exit code 3: not yet/) }) }),
    message: 'instance not ready',
  })
})

test('jobs that wait in GitLab make instances, but no more than may run', async () => {
  const fleet = await start('')
  freePlaces = 2
  fleet.queue.set(7)
  expect(fleet.scaler.snapshot().demand.queued).toEqual([{ source: 'GitLab', depth: 2 }])
  await clock.advance(5_000)
  expect(fleet.scaler.status().tasks.idle).toBe(2)
})

test('a group that another runner has is given back untouched', async () => {
  const taken = (): never => {
    throw new Error('memory/test belongs to runner b')
  }
  await expect(start('', taken)).rejects.toThrow('belongs to runner b')
  expect(group.isShutDown).toBe(true)
  expect(group.calls.map(({ operation }) => operation)).toEqual(['init', 'list', 'shutdown'])
})
