import { type Connector, GroupError, silentLogger } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { Journal, MemoryStateStore } from '@runner-core/fleeting/state'
import { ManualClock, MemoryGroup, type MemoryShell, simpleShell } from '@runner-core/fleeting/testing'
import { Registry } from 'prom-client'
import { beforeEach, expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { fleetBuckets } from '../metrics/fleet-buckets.ts'
import { registerFleetMetrics } from '../metrics/fleet-metrics.ts'
import type { FleetState } from '../state/open-fleet-state.ts'
import { type Fleet, type FleetOptions, startFleet } from './fleet.ts'

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

async function start(
  autoscaler: string,
  claimGroup: (id: string) => void = () => {},
  systemId?: string,
  more: Partial<FleetOptions> = {},
): Promise<Fleet> {
  const runner = parseConfig(`[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "memory"
${autoscaler}`).settings.runners[0]!
  const log = (fields: object, message: string): void => void lines.push({ fields, message })
  const logger = { debug: log, info: log, warn: log, error: log }
  const observers = registerFleetMetrics(new Registry(), () => [], fleetBuckets([]))(labels)
  const findPlugin = async (): Promise<{ createInstanceGroup: () => MemoryGroup }> => ({
    createInstanceGroup: () => group,
  })
  return startFleet(
    {
      runner,
      findPlugin,
      observers,
      freePlaces: () => freePlaces,
      claimGroup,
      systemId,
      clock,
      random: () => 0,
      logger,
      ...more,
    },
    new AbortController().signal,
  )
}

test('keeps what the policy asks for, and proves it by the ready command', async () => {
  const fleet = await start(
    'capacity_per_instance = 2\ninstance_ready_command = "true"\n[[runners.autoscaler.policy]]\nidle_count = 3\n',
  )
  await clock.advance(10_000)
  expect(fleet.scaler.status().tasks.idle).toBe(4)
  expect(commands).toEqual(['true', 'true'])
})

test('an instance whose ready command fails is not used, and the log has its output', async () => {
  const fleet = await start(
    'instance_ready_command = "prove"\nmax_instances = 1\n[[runners.autoscaler.policy]]\nidle_count = 1\n',
  )
  await clock.advance(5_000)
  expect(fleet.scaler.status().tasks.idle).toBe(0)
  expect(lines).toContainEqual({
    fields: expect.objectContaining({
      err: expect.objectContaining({ message: expect.stringMatching(/exit code 3: not yet/) }),
    }),
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

test('log lines: each act once, names in snake_case, durations in seconds, errors under err', async () => {
  const init = group.init.bind(group)
  group.init = async (signal) => ({
    ...(await init(signal)),
    findings: [{ code: 'autoscaler', severity: 'warning', message: 'it scales itself', fix: 'turn it off' }],
  })
  const fleet = await start('[[runners.autoscaler.policy]]\nidle_count = 2\n')
  await clock.advance(5_000)
  fleet.scaler.configureSchedule([])
  group.fail('list', new GroupError('transient', 'down'), 1)
  await clock.advance(600_000)
  group.fail('increase', new GroupError('auth', 'no permission'), 1)
  fleet.queue.set(1)
  await clock.advance(2_000)
  await fleet.scaler.shutdown({ removeInstances: true })

  const said = (message: string): readonly object[] =>
    lines.filter((line) => line.message === message).map(({ fields }) => fields)
  expect(said('group needs attention')).toEqual([
    {
      group: fleet.provisioner.info.id,
      code: 'autoscaler',
      severity: 'warning',
      problem: 'it scales itself',
      fix: 'turn it off',
    },
  ])
  expect(said('increasing instances')).toMatchObject([
    { amount: 2, reason: expect.stringContaining('to keep idle') },
    { amount: 1 },
  ])
  expect(said('instance marked for removal')).toHaveLength(2)
  expect(said('instance pruned')).toMatchObject([
    { life_seconds: expect.any(Number) },
    { life_seconds: expect.any(Number) },
  ])
  expect(said('launch breaker opened')).toMatchObject([
    { operation: 'increase', probe_wait_seconds: expect.any(Number) },
  ])
  const all = lines.flatMap(({ fields }) => Object.entries(fields))
  expect(all.filter(([key]) => !/^[a-z]+(_[a-z]+)*$/.test(key))).toEqual([])
  expect(new Set(all.filter(([, value]) => value instanceof Error).map(([key]) => key))).toEqual(new Set(['err']))
})

test('a group belongs to one installation: another one is refused, unless it is told to take it over', async () => {
  group = new MemoryGroup({ clock, maxSize: 10, shell: simpleShell, holdsOwner: true })
  const free = (): void => {}
  await start('[[runners.autoscaler.policy]]\nidle_count = 2\n', free, 's_here')
  await clock.advance(5_000)
  expect(group.owner).toMatchObject({ name: expect.stringMatching(/^fleet a on /), epoch: 1 })
  await expect(start('', free, 's_there')).rejects.toMatchObject({ code: 'group_owned' })
  expect(group.calls.filter(({ operation }) => operation === 'decrease')).toEqual([])

  await start('', free, 's_here')
  expect(group.owner).toMatchObject({ epoch: 2 })
  const { id } = group.owner!
  await start('take_over_group = true', free, 's_there')
  expect(group.owner).toMatchObject({ epoch: 1, id: expect.not.stringMatching(id) })
})

test('a group that cannot say whose it is, and has instances, is refused unless it may be taken over', async () => {
  group.addForeign()
  await expect(start('')).rejects.toMatchObject({
    code: 'group_owned',
    message: expect.stringMatching(/take_over_group = true/),
  })
  const fleet = await start('take_over_group = true')
  expect([...fleet.provisioner.instances().values()]).toMatchObject([{ cause: 'adopted' }])
})

test('connections are held to the pins of host keys that the state has', async () => {
  const hostKeys = new Map([['i-1', 'ssh-ed25519 AAAA']])
  const lease = Journal.over({ lease: await new MemoryStateStore().lease('a'), clock, logger: silentLogger })
  const state = { lease, hostKeys, fleetKey: await newKeyPair(), pluginDir: '/nowhere' } as unknown as FleetState
  let connector: Connector | undefined
  await start('', undefined, undefined, {
    state,
    makeProvisioner: (options, signal) => {
      connector = options.connector
      return Provisioner.start(options, signal)
    },
  })
  connector!.forget!('i-1')
  expect([...hostKeys]).toEqual([])
})
