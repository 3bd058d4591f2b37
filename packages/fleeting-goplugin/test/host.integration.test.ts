// The host against a plugin process made without Go: what can be shown where no Go toolchain is.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type ConnectorConfig,
  GroupError,
  type InstanceGroup,
  type Logger,
  silentLogger,
  systemClock,
} from '@runner-core/fleeting'
import { createInstanceGroup as createMultiGroup, hasParts } from '@runner-core/fleeting/multi'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createGoPluginGroup, type GoPluginOptions } from '../src/index.ts'
import { FakePluginFile, type FakePluginSettings } from './fake-plugin-file.ts'

const never = new AbortController().signal
/** With patience for a machine that does much else. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, 20_000)

interface LogEntry {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

interface Subject {
  readonly group: InstanceGroup
  readonly plugin: FakePluginFile
  readonly log: readonly LogEntry[]
}

const leftovers: Subject[] = []
afterEach(async () => {
  for (const { group, plugin } of leftovers.splice(0)) {
    plugin.faults = {}
    await group.shutdown()
    plugin.remove()
  }
})

function subject(
  settings: FakePluginSettings = {},
  options: GoPluginOptions & { readonly connector?: ConnectorConfig } = {},
): Subject {
  const plugin = new FakePluginFile(settings)
  const log: LogEntry[] = []
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void log.push({ level, message, fields: fields as LogEntry['fields'] })
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const context = { fleet: 'test', connector: options.connector ?? {}, logger, clock: systemClock, random: () => 0 }
  const group = createGoPluginGroup(plugin.file, options)({}, context)
  const made = { group, plugin, log }
  leftovers.push(made)
  return made
}

async function initialised(...args: Parameters<typeof subject>): Promise<Subject> {
  const made = subject(...args)
  await made.group.init(never)
  return made
}

const launch = (group: InstanceGroup, count: number) => group.increase({ count, launchToken: 'token' }, never)
const ids = async (group: InstanceGroup): Promise<readonly string[]> => (await group.list(never)).map(({ id }) => id)
const isAlive = (pid: number): boolean => {
  try {
    // A zombie answers signals too.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === false
  } catch {
    return false
  }
}
// Its own, so that plugins of other tests are not taken for leftovers of these.
process.env['TMPDIR'] = mkdtempSync(join(tmpdir(), 'host-test-'))
afterAll(() => rmSync(tmpdir(), { recursive: true, force: true }))
const socketDirectories = (): readonly string[] => readdirSync(tmpdir()).filter((name) => /^fleeting-\w{6}$/.test(name))

describe.each([
  ['unix', 'plaintext'],
  ['unix', 'TLS'],
  ['tcp', 'plaintext'],
  ['tcp', 'TLS'],
] as const)('over %s, %s', (network, transport) => {
  test('it is initialised, launches, lists, removes, and ends', async () => {
    const { group, plugin, log } = await initialised({ network, tls: transport === 'TLS' })
    expect(await launch(group, 2)).toEqual({ requested: 2, errors: [] })
    expect((await group.list(never)).map(({ state }) => state)).toEqual(['creating', 'creating'])
    const [first] = (await ids(group)) as [string]
    expect(await group.decrease([first], never)).toEqual({ accepted: [first], errors: [] })
    await group.shutdown()
    expect(plugin.called('Shutdown')).toHaveLength(1)
    expect(isAlive(plugin.calls[0]!.pid)).toBe(false)
    const warnings = log.filter(({ level }) => level === 'warn').map(({ message }) => message)
    expect(warnings).toEqual(
      network === 'tcp' && transport === 'plaintext'
        ? ['plugin listens on TCP without TLS: every user of this machine can reach it']
        : [],
    )
  })
})

describe('what init tells', () => {
  test('identity, bound, version, capabilities', async () => {
    const { group } = subject({ maxSize: 7 })
    expect(typeof group.suspend).toBe('undefined')
    expect(await group.init(never)).toEqual({
      id: 'fake/group',
      maxSize: 7,
      version: '1.2.3',
      capabilities: ['heartbeat', 'suspend_resume'],
      untold: ['findings', 'launch_errors', 'states'],
    })
    expect(typeof group.suspend).toBe('function')
  })

  test('no bound, no suspension', async () => {
    const { group } = subject({ capabilities: [] })
    expect(await group.init(never)).toMatchObject({ maxSize: Infinity, capabilities: ['heartbeat'] })
    expect(typeof group.suspend).toBe('undefined')
  })

  test('a refusal ends the process', async () => {
    const { group, plugin } = subject()
    plugin.faults = { errors: { Init: { text: 'missing required plugin config: name' } } }
    await expect(group.init(never)).rejects.toMatchObject({
      code: 'invalid_config',
      message: 'missing required plugin config: name',
    })
    expect(isAlive(plugin.calls[0]!.pid)).toBe(false)
  })
})

describe('a start that fails says why, and leaves nothing', () => {
  test.each<[string, FakePluginSettings, GoPluginOptions, string, RegExp]>([
    [
      'ends at once',
      { exitCode: 3, stderr: ['cannot read the key'] },
      {},
      'transient',
      /ended before it was ready \(exit code 3\): cannot read the key/,
    ],
    [
      'says nothing',
      { isSilent: true },
      { startTimeoutMs: 1500 },
      'transient',
      /printed no handshake line within 1500 ms/,
    ],
    [
      'says something else',
      { handshake: { line: 'usage: moon [options]' } },
      {},
      'invalid_config',
      /not a usable fleeting plugin.*usage: moon/,
    ],
    [
      'is of another version',
      { handshake: { line: '1|7|unix|/a|grpc|' } },
      {},
      'invalid_config',
      /version "7" of the fleeting protocol/,
    ],
    ['speaks no TLS', {}, { tls: 'require' }, 'invalid_config', /does not speak TLS/],
    [
      'is not there',
      { handshake: { line: '1|0|unix|/nowhere/at/all|grpc|' } },
      { callTimeoutMs: 2000 },
      'transient',
      /./,
    ],
  ])('a plugin that %s', async (_what, settings, options, code, message) => {
    const before = socketDirectories()
    const { group } = subject(settings, options)
    const error = await group.init(never).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    await eventually(() => expect(socketDirectories().filter((name) => !before.includes(name))).toEqual([]))
  })

  test('a file that no interpreter can be found for', async () => {
    const { group, plugin } = subject()
    writeFileSync(plugin.file, '#!/no/such/interpreter\n')
    await expect(group.init(never)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('ended before it was ready'),
    })
  })

  test('an aborted start ends the process', async () => {
    const { group, plugin } = subject()
    plugin.faults = { hang: 'Init' }
    const controller = new AbortController()
    const answer = group.init(controller.signal)
    await eventually(() => expect(plugin.called('Init')).toHaveLength(1))
    controller.abort(new Error('the caller has aborted'))
    await expect(answer).rejects.toThrow('the caller has aborted')
    expect(isAlive(plugin.calls[0]!.pid)).toBe(false)
  })
})

test('what it writes to standard error is logged with its level', async () => {
  const { log } = await initialised({
    stderr: ['{"@level":"warn","@message":"low on quota","@module":"cloud","left":3}', '[ERROR] plain', 'just text'],
  })
  await eventually(() => expect(log.map(({ message }) => message)).toContain('just text'))
  expect(log).toContainEqual({
    level: 'warn',
    message: 'low on quota',
    fields: { plugin: 'fleeting-plugin-fake', plugin_module: 'cloud', plugin_left: 3 },
  })
  expect(log.find(({ message }) => message === '[ERROR] plain')?.level).toBe('error')
  expect(log.find(({ message }) => message === 'just text')?.level).toBe('debug')
})

test('messages larger than gRPC allows by default pass', async () => {
  const { group, plugin } = await initialised()
  const long = Array.from({ length: 40_000 }, (_, number) => `machine-${number}-${'x'.repeat(120)}`)
  plugin.machines = long.map((id) => ({ id, state: 1 }))
  expect(await group.list(never)).toHaveLength(long.length)
  // One message of more than four megabytes.
  expect((await group.suspend!(long, never)).accepted).toHaveLength(long.length)
})

describe('lists', () => {
  test('every state, those that nobody has heard of too', async () => {
    const { group, plugin } = await initialised()
    plugin.machines = [0, 1, 2, 3, 4, 5, 6, 7, 9].map((state) => ({ id: `m${state}`, state }))
    expect(
      (await group.list(never)).map(({ id, state, detail }) => [id, state, detail].filter(Boolean).join(' ')),
    ).toEqual([
      'm0 creating',
      'm1 running',
      'm2 deleting',
      'm3 deleted',
      'm4 failed timeout',
      'm5 suspending',
      'm6 suspended',
      'm7 resuming',
      'm9 unknown state 9',
    ])
  })

  test('half a list is none', async () => {
    const { group, plugin } = await initialised()
    plugin.machines = ['a', 'b', 'c'].map((id) => ({ id, state: 1 }))
    plugin.faults = { listFailsAfter: 2 }
    await expect(group.list(never)).rejects.toMatchObject({ code: 'transient', message: 'half of it is lost' })
  })

  test('an id that is told twice counts as told last', async () => {
    const { group, plugin } = await initialised()
    plugin.machines = [
      { id: 'a', state: 0 },
      { id: 'a', state: 1 },
    ]
    expect(await group.list(never)).toEqual([{ id: 'a', state: 'running' }])
  })
})

describe('what the wire loses is made good', () => {
  test('machines made before a refusal are told with it', async () => {
    const { group, plugin } = await initialised()
    await group.list(never)
    plugin.faults = { increaseOnly: { count: 2, text: 'quota exceeded for cores' } }
    const { requested, ids: told, errors } = await launch(group, 5)
    expect(requested).toBe(2)
    expect(errors).toMatchObject([{ code: 'quota' }])
    expect(told?.toSorted()).toEqual((await ids(group)).toSorted())
  })

  test('those of an earlier launch are not taken for them', async () => {
    const { group, plugin } = await initialised()
    await group.list(never)
    await launch(group, 2)
    plugin.faults = { increaseOnly: { count: 0, text: 'quota exceeded for cores' } }
    await expect(launch(group, 3)).rejects.toMatchObject({ code: 'quota' })
    plugin.faults = {}
    await launch(group, 2)
    plugin.faults = { increaseOnly: { count: 1, text: 'quota exceeded for cores' } }
    expect(await launch(group, 3)).toMatchObject({ requested: 1, errors: [{ code: 'quota' }] })
  })

  test('a refusal without any is thrown', async () => {
    const { group, plugin } = await initialised()
    plugin.faults = { increaseOnly: { count: 0, text: 'quota exceeded for cores' } }
    await expect(launch(group, 5)).rejects.toMatchObject({ code: 'quota' })
  })

  test('after an error that says nothing it is for a later list to tell', async () => {
    const { group, plugin } = await initialised()
    plugin.faults = { increaseOnly: { count: 2, text: 'connection reset by peer' } }
    await expect(launch(group, 5)).rejects.toMatchObject({ code: 'transient' })
    expect(plugin.called('Increase')).toHaveLength(1)
  })

  test('more than the maximum is not asked for', async () => {
    const { group, plugin } = await initialised({ maxSize: 3 })
    await launch(group, 2)
    expect(await launch(group, 2)).toMatchObject({ requested: 1, errors: [{ code: 'quota' }] })
    expect(await launch(group, 1)).toMatchObject({ requested: 0, errors: [{ code: 'quota' }] })
    expect(plugin.called('Increase').map(({ request }) => request)).toEqual([{ n: 2 }, { n: 1 }])
    const [first] = (await ids(group)) as [string]
    await group.decrease([first], never)
    expect(await launch(group, 1)).toMatchObject({ requested: 1 })
  })

  test('removals before an error are accepted, the others keep it', async () => {
    const { group, plugin } = await initialised()
    await launch(group, 3)
    const [first, second, third] = (await ids(group)) as [string, string, string]
    plugin.faults = { decreaseStopsAt: second }
    const { accepted, errors } = await group.decrease([first, second, third], never)
    expect(accepted).toEqual([first])
    expect(errors?.map(({ instanceId }) => instanceId)).toEqual([second, third])
    // Nothing came of it at all: thrown, so that smaller batches are tried.
    await expect(group.decrease([second, third], never)).rejects.toMatchObject({ code: 'transient' })
  })

  test('what is leaving, gone or unknown is accepted, and not told again', async () => {
    const { group, plugin } = await initialised()
    await launch(group, 2)
    const [first, second] = (await ids(group)) as [string, string]
    await group.decrease([first], never)
    await group.list(never)
    expect(await group.decrease([first, 'unknown', second, second], never)).toMatchObject({
      accepted: [first, 'unknown', second, second],
    })
    expect(plugin.called('Decrease').map(({ request }) => request)).toEqual([
      { instances: [first] },
      { instances: [second] },
    ])
  })

  test('a suspension that is refused in part tells the other part', async () => {
    const { group, plugin } = await initialised()
    await launch(group, 2)
    await group.list(never)
    const [first, second] = (await ids(group)) as [string, string]
    plugin.faults = { powerOnly: 1 }
    expect(await group.suspend!([first, second], never)).toMatchObject({
      accepted: [first],
      errors: [{ instanceId: second }],
    })
    plugin.faults = {}
    expect(await group.resume!([first], never)).toEqual({ accepted: [first], errors: [] })
  })
})

describe('calls', () => {
  test('those that upstream never makes at once come one after the other', async () => {
    const { group, plugin } = await initialised()
    await Promise.all([launch(group, 1), group.list(never), launch(group, 1), group.list(never), launch(group, 1)])
    expect(await ids(group)).toHaveLength(3)
    expect(plugin.calls.filter(({ overlapping }) => overlapping)).toEqual([])
  })

  test.each(['Update', 'Increase', 'ConnectInfo'])(
    '%s has a deadline, and the plugin hears that nobody waits',
    async (method) => {
      const { group, plugin } = await initialised({}, { callTimeoutMs: 700 })
      await launch(group, 1)
      const [id] = (await ids(group)) as [string]
      plugin.faults = { hang: method }
      const calls: Record<string, () => Promise<unknown>> = {
        Update: () => group.list(never),
        Increase: () => launch(group, 1),
        ConnectInfo: () => group.connectInfo(id, never),
      }
      await expect(calls[method]!()).rejects.toMatchObject({
        code: 'transient',
        message: 'the plugin did not answer within 700 ms',
      })
      await eventually(() => expect(plugin.called(`${method} canceled`)).toHaveLength(1))
      plugin.faults = {}
      expect(await ids(group)).toHaveLength(1)
    },
  )

  test('an abort ends a call, and one that waits for its turn', async () => {
    const { group, plugin } = await initialised()
    plugin.faults = { hang: 'Update' }
    const controller = new AbortController()
    const [first, second] = [group.list(controller.signal), launch(group, 1)]
    const third = group.list(controller.signal)
    await eventually(() => expect(plugin.called('Update')).toHaveLength(1))
    controller.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    await expect(third).rejects.toThrow('enough')
    plugin.faults = {}
    // The next in turn lists first, since nothing was listed yet; it may still have met the fault.
    await second.catch(() => {})
    expect(await launch(group, 1)).toMatchObject({ requested: 1 })
  })

  test('heartbeat: well, not well, and cannot tell', async () => {
    const { group, plugin } = await initialised()
    await group.heartbeat!('b', never)
    plugin.faults = { errors: { Heartbeat: { text: 'instance is unhealthy' } } }
    await expect(group.heartbeat!('b', never)).rejects.toMatchObject({ code: 'not_found' })
    plugin.faults = { errors: { Heartbeat: { text: 'i/o timeout' } } }
    await expect(group.heartbeat!('b', never)).rejects.toMatchObject({ code: 'transient' })
    plugin.faults = { errors: { Heartbeat: { text: 'unknown method Heartbeat', code: 12 } } }
    await group.heartbeat!('b', never)
    // What is not there is not well, whatever the plugin says.
    plugin.faults = {}
    plugin.machines = [
      { id: 'a', state: 3 },
      { id: 'c', state: 1 },
    ]
    await group.list(never)
    await group.heartbeat!('c', never)
    for (const id of ['a', 'b']) await expect(group.heartbeat!(id, never)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('connect info: times echoed by nobody do no harm, no address yet is not ready', async () => {
    const { group, plugin } = await initialised({
      connectInfo: { timeout: 0, keepalive: 0, internalAddr: '10.1.2.3', username: 'ubuntu' },
    })
    plugin.machines = [{ id: 'a', state: 1 }]
    expect(await group.connectInfo('a', never)).toEqual({
      instanceId: 'a',
      protocol: 'ssh',
      internalAddress: '10.1.2.3',
      username: 'ubuntu',
    })
    await expect(group.connectInfo('b', never)).rejects.toMatchObject({ code: 'not_found' })
    const bare = await initialised()
    bare.plugin.machines = [{ id: 'a', state: 1 }]
    await expect(bare.group.connectInfo('a', never)).rejects.toMatchObject({ code: 'not_ready' })
  })
})

describe('a process that ends', () => {
  test('is started again, knows its machines, and says meanwhile that it is down', async () => {
    const { group, plugin, log } = await initialised()
    await launch(group, 2)
    const before = await ids(group)
    const pid = plugin.calls[0]!.pid
    process.kill(pid, 'SIGKILL')
    await eventually(() => expect(group.trouble!()).toBe('plugin fleeting-plugin-fake ended (signal SIGKILL)'))
    await expect(group.list(never)).rejects.toMatchObject({ code: 'transient', message: group.trouble!() })
    await eventually(() => expect(group.trouble!()).toBeUndefined())
    expect(await ids(group)).toEqual(before)
    expect(plugin.called('Init').map((call) => call.pid === pid)).toEqual([true, false])
    expect(log.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'plugin is down', fields: { failures: 1 } },
    ])
  })

  test('during Init, where the connection breaks first: that it ended is said', async () => {
    const { group, plugin } = subject()
    plugin.faults = { cutIn: 'Init' }
    await expect(group.init(never)).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('ended during Init'),
    })
  })

  test('of several groups: the whole is down only while all of them are', async () => {
    const plugins = { a: new FakePluginFile(), b: new FakePluginFile() }
    const groups = { a: { plugin: plugins.a.file }, b: { plugin: plugins.b.file } }
    const context = { fleet: 'test', connector: {}, logger: silentLogger, clock: systemClock, random: () => 0 }
    const group = createMultiGroup({ groups }, context)
    onTestFinished(async () => {
      await group.shutdown()
      for (const plugin of Object.values(plugins)) plugin.remove()
    })
    await group.init(never)
    const kill = async (name: 'a' | 'b') => {
      // So that it stays down.
      plugins[name].faults = { dieIn: 'Init' }
      process.kill(plugins[name].calls[0]!.pid, 'SIGKILL')
      await eventually(() => expect(plugins[name].called('Init').length).toBeGreaterThan(1))
    }
    await kill('a')
    expect(group.trouble!()).toBeUndefined()
    expect(hasParts(group) && group.partTrouble()).toMatch(/^a: .*fake/)
    expect(await launch(group, 1)).toMatchObject({ requested: 1 })
    await kill('b')
    expect(group.trouble!()).toMatch(/^a: .+; b: .+/)
    plugins.a.faults = {}
    await eventually(() => expect(group.trouble!()).toBeUndefined())
  })

  test('in the middle of a call: the call fails, what it may have done is for a list to tell', async () => {
    const { group, plugin } = await initialised()
    await group.list(never)
    plugin.faults = { dieIn: 'Increase' }
    await expect(launch(group, 1)).rejects.toMatchObject({ code: 'transient' })
    plugin.faults = {}
    await eventually(() => expect(group.trouble!()).toBeUndefined())
    await eventually(async () => expect(await launch(group, 1)).toMatchObject({ requested: 1 }))
  })

  test('is not started again after the shutdown, which waits two seconds and no longer', async () => {
    const { group, plugin } = await initialised({ staysUp: true })
    const { pid } = plugin.calls[0]!
    await group.shutdown()
    expect(isAlive(pid)).toBe(false)
    expect(plugin.called('Init')).toHaveLength(1)
    await expect(group.list(never)).rejects.toBeInstanceOf(GroupError)
  })
})

describe.skipIf(process.platform !== 'linux')('a host that is killed', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'by %s takes its plugin with it, and the socket',
    async (signal) => {
      const plugin = new FakePluginFile({ staysUp: true })
      onTestFinished(() => plugin.remove())
      const before = socketDirectories()
      const host = spawn(process.execPath, [
        '--conditions=@runner-core/source',
        fileURLToPath(new URL('./lonely-host.ts', import.meta.url)),
        plugin.file,
      ])
      onTestFinished(() => void host.kill('SIGKILL'))
      await new Promise((resolve) => host.stdout.once('data', resolve))
      const { pid } = plugin.calls[0]!
      expect(isAlive(pid)).toBe(true)
      host.kill(signal)
      await eventually(() => expect(isAlive(pid)).toBe(false))
      await eventually(() => expect(socketDirectories().filter((name) => !before.includes(name))).toEqual([]))
      // The guard is gone too.
      await eventually(() =>
        expect(execFileSync('ps', ['-eo', 'pgid='], { encoding: 'utf8' }).split(/\s+/)).not.toContain(String(pid)),
      )
    },
  )
})

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: conformance of a plugin behind the wire: ${missing}`)

describe.skipIf(missing !== undefined)('the conformance suite', () => {
  let sshd: Sshd
  const plugins: FakePluginFile[] = []
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(async () => {
    await sshd.stop()
    for (const plugin of plugins) {
      expect(existsSync(plugin.directory)).toBe(true)
      plugin.remove()
    }
  })

  const makeGroup = (): InstanceGroup => {
    const plugin =
      plugins[0] ?? new FakePluginFile({ maxSize: 3, connectInfo: { internalAddr: `127.0.0.1:${sshd.port}` } })
    plugins[0] = plugin
    const connector = { username: sshd.username, privateKey: sshd.privateKey }
    const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
    return createGoPluginGroup(plugin.file)(
      {},
      { fleet: 'conformance', connector, logger, clock: systemClock, random: Math.random },
    )
  }
  describeInstanceGroup('a plugin behind the wire', makeGroup, {
    maxInstances: 3,
    patienceMs: 30_000,
    pollMs: 10,
    machinesOutliveInstances: true,
  })
})
