import { type CreateInstanceGroup, GroupError, type Logger, type PluginContext } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup, type MemoryGroupOptions } from '@runner-core/fleeting/testing'
import { beforeEach, expect, test } from 'vitest'
import { wireConnectorConfig } from '../wire/connector-config.ts'
import type { InitRequest } from '../wire/messages.ts'
import { ServedGroup } from './served-group.ts'

const never = new AbortController().signal
const [creating, running, timeout] = [0, 1, 4]

let clock: ManualClock
let log: { readonly level: string; readonly message: string; readonly fields: object }[]
let made: { readonly config: unknown; readonly context: PluginContext } | undefined

beforeEach(() => {
  clock = new ManualClock()
  log = []
  made = undefined
})

const request = (config = '{}', connector = {}): InitRequest => ({
  config: Buffer.from(config),
  settings: { connectorConfig: { ...wireConnectorConfig({}), ...connector } },
})

function serve(create: CreateInstanceGroup): ServedGroup {
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void log.push({ level, message, fields })
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  let tokens = 0
  const newLaunchToken = (): string => {
    tokens += 1
    return `token-${tokens}`
  }
  return new ServedGroup({
    create,
    version: '1.2.3',
    buildInfo: 'by a test',
    clock,
    random: () => 0,
    logger,
    newLaunchToken,
  })
}

async function served(
  options: Partial<MemoryGroupOptions> = {},
): Promise<{ readonly group: MemoryGroup; readonly plugin: ServedGroup }> {
  const group = new MemoryGroup({ clock, ...options })
  const plugin = serve((config, context) => {
    made = { config, context }
    return group
  })
  await plugin.init(request(), never)
  return { group, plugin }
}

const asked = (group: MemoryGroup) =>
  group.calls.filter(({ operation }) => operation === 'increase').map(({ request }) => request)
const seen = async (plugin: ServedGroup) => (await plugin.update(never)).map(({ state }) => state)

test('the group is told what the host said, and the host what the group is', async () => {
  const group = new MemoryGroup({ clock, id: 'moon/base', maxSize: Infinity, capabilities: ['suspend_resume'] })
  const plugin = serve((config, context) => {
    made = { config, context }
    return group
  })
  const settings = {
    username: 'ci',
    key: Buffer.from('PEM'),
    keepalive: 30e9,
    timeout: 60e9,
    protocolPort: 2222,
    os: 'plan9',
  }
  const info = await plugin.init(request('{"zone":"a","fleet":"moon"}', settings), never)
  expect(info).toEqual({
    id: 'moon/base',
    maxSize: 2 ** 31 - 1,
    version: '1.2.3',
    buildInfo: 'by a test',
    capabilities: ['suspend_resume'],
  })
  expect(made).toMatchObject({
    config: { zone: 'a' },
    context: {
      fleet: 'moon',
      connector: { username: 'ci', privateKey: 'PEM', keepaliveMs: 30_000, timeoutMs: 60_000, protocolPort: 2222 },
    },
  })
  expect(made?.context.connector).not.toHaveProperty('os')
})

test.each([
  ['{', {}, 'unmarshaling config'],
  ['[]', {}, 'expected a table'],
  ['{"fleet":1}', {}, 'plugin_config.fleet'],
  ['{}', { protocol: 'winrm' }, 'connector_config.protocol'],
])('Init with %s and %j is refused as a configuration error', async (config, connector, words) => {
  const plugin = serve(() => new MemoryGroup({ clock }))
  const refused = expect(plugin.init(request(config, connector), never)).rejects
  await refused.toMatchObject({ code: 'invalid_config', message: expect.stringContaining(words) })
  // And can be tried again.
  expect(await plugin.init(request(), never)).toMatchObject({ id: 'memory/test' })
})

test('a group that reaches its machines by a way of its own is refused: the host would not know it', async () => {
  const plugin = serve(() => new MemoryGroup({ clock, shell: () => ({ code: 0 }) as never }))
  await expect(plugin.init(request(), never)).rejects.toMatchObject({ code: 'invalid_config' })
})

test('a group whose init fails is shut down, and Init works once', async () => {
  const group = new MemoryGroup({ clock })
  group.fail('init', new GroupError('auth', 'no'))
  const plugin = serve(() => group)
  await expect(plugin.init(request(), never)).rejects.toMatchObject({ code: 'auth' })
  expect(group.isShutDown).toBe(true)
  const { plugin: other } = await served()
  await expect(other.init(request(), never)).rejects.toMatchObject({ code: 'conflict' })
})

test('what is accepted in part counts, without an error, which would lose the count', async () => {
  const { group, plugin } = await served()
  group.acceptOnly = { count: 2, error: new GroupError('quota', 'two at most') }
  expect(await plugin.increase(5, never)).toBe(2)
  expect(log).toContainEqual(
    expect.objectContaining({ level: 'error', fields: expect.objectContaining({ code: 'quota' }) }),
  )
  group.acceptOnly = { count: 0, error: new GroupError('quota', 'none') }
  await expect(plugin.increase(3, never)).rejects.toMatchObject({ code: 'quota' })
})

test('a launch whose answer was lost is asked for again as the same, and its machines are shown once it is counted', async () => {
  const { group, plugin } = await served()
  group.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'lost') })
  await expect(plugin.increase(2, never)).rejects.toMatchObject({ code: 'transient' })
  expect(await seen(plugin)).toEqual([])
  // Meanwhile one more is wanted.
  expect(await plugin.increase(3, never)).toBe(3)
  expect(asked(group)).toMatchObject([
    { count: 2, launchToken: 'token-1' },
    { count: 2, launchToken: 'token-1' },
    { count: 1, launchToken: 'token-2' },
  ])
  expect(await seen(plugin)).toHaveLength(3)
})

test('machines of a lost launch that the host never asks for again are shown before long', async () => {
  const { group, plugin } = await served()
  group.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'lost') })
  await expect(plugin.increase(2, never)).rejects.toMatchObject({ code: 'transient' })
  await clock.advance(29_999)
  expect(await seen(plugin)).toEqual([])
  await clock.advance(1)
  expect(await seen(plugin)).toHaveLength(2)
  // They are counted as somebody else's by now: what is wanted is wanted besides.
  expect(await plugin.increase(1, never)).toBe(1)
  expect(await seen(plugin)).toHaveLength(3)
})

test('a refusal that says why is no lost answer: the next launch is another', async () => {
  const { group, plugin } = await served()
  group.fail('increase', new GroupError('capacity', 'full'))
  await expect(plugin.increase(2, never)).rejects.toMatchObject({ code: 'capacity' })
  expect(await plugin.increase(2, never)).toBe(2)
  expect(asked(group)).toMatchObject([{ launchToken: 'token-1' }, { launchToken: 'token-2' }])
})

test('a failed machine is removed by the plugin, once the host was told: the host only drops it', async () => {
  const { group, plugin } = await served({ deleteDelayMs: 1000 })
  group.bootsFailed = 1
  await plugin.increase(1, never)
  expect(await seen(plugin)).toEqual([creating])
  expect(group.calls.some(({ operation }) => operation === 'decrease')).toBe(false)
  expect(await seen(plugin)).toEqual([timeout])
  expect(await seen(plugin)).toEqual([timeout])
  expect(group.calls.filter(({ operation }) => operation === 'decrease')).toHaveLength(1)
  await clock.advance(1000)
  expect(await seen(plugin)).toEqual([])
})

test('a machine that is not ready is waited for, as long as a dial may take', async () => {
  const { group, plugin } = await served({ bootDelayMs: 5000 })
  await plugin.increase(1, never)
  const [row] = await plugin.update(never)
  const asking = plugin.connectInfo(row!.instance, never)
  await clock.advance(6000)
  expect(await asking).toMatchObject({
    internalAddr: '127.0.0.1',
    connector: { username: 'memory', timeout: 600e9, keepalive: 30e9 },
  })
  group.bootsStuck = 1
  await plugin.increase(1, never)
  const stuck = (await plugin.update(never)).find(({ state }) => state !== running)
  const hopeless = expect(plugin.connectInfo(stuck!.instance, never)).rejects.toMatchObject({ code: 'not_ready' })
  await clock.advance(600_000)
  await hopeless
})

test('what is gone is unhealthy by the words of upstream; a group without heartbeats is well', async () => {
  const { plugin } = await served({ capabilities: ['heartbeat'] })
  await expect(plugin.heartbeat('gone', never)).rejects.toMatchObject({
    message: expect.stringMatching(/^instance is unhealthy/),
  })
  const { plugin: other } = await served()
  await other.heartbeat('gone', never)
})

test('nothing works before Init or after Shutdown, and Shutdown works twice', async () => {
  const plugin = serve(() => new MemoryGroup({ clock }))
  await expect(plugin.update(never)).rejects.toMatchObject({ code: 'conflict' })
  await plugin.shutdown()
  const { group, plugin: other } = await served()
  await other.shutdown()
  await other.shutdown()
  expect(group.calls.filter(({ operation }) => operation === 'shutdown')).toHaveLength(1)
  await expect(other.increase(1, never)).rejects.toMatchObject({ code: 'conflict' })
})
