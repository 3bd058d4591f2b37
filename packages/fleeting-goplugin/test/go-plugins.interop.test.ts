// Upstream's own code under this host: its dummy plugin, and a probe made with its library that does what real plugins
// do at their worst.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectorConfig, type InstanceGroup, type Logger, silentLogger, systemClock } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { runConformance } from '@runner-core/fleeting/testing'
import { killedUnderJobs } from '@runner-core/testkit/jobs/killed-under-jobs'
import { goPrograms } from '@runner-core/testkit/programs/go-programs'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { PluginClient } from '../src/host/plugin-client.ts'
import { PluginProcess } from '../src/host/plugin-process.ts'
import { createGoPluginGroup, type GoPluginOptions } from '../src/index.ts'

const built = goPrograms()
const { dummy, probe } = 'absent' in built ? { dummy: '', probe: '' } : built
if ('absent' in built) console.warn(`SKIPPED: Go plugins under this host: ${built.absent}`)

const never = new AbortController().signal
/** With patience for a machine that does much else. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, 20_000)

interface LogEntry {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}
let log: LogEntry[]
let folder: string
let opened: InstanceGroup[]
beforeEach(() => {
  log = []
  opened = []
  folder = mkdtempSync(join(tmpdir(), 'go-plugins-'))
})
afterEach(async () => {
  faults({})
  for (const group of opened) await group.shutdown()
  rmSync(folder, { recursive: true, force: true })
})

function open(
  file: string,
  config: object,
  connector: ConnectorConfig = {},
  options: GoPluginOptions = {},
): InstanceGroup {
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void log.push({ level, message, fields: fields as LogEntry['fields'] })
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const group = createGoPluginGroup(file, options)(config, {
    fleet: 'interop',
    connector,
    logger,
    clock: systemClock,
    random: () => 0,
  })
  opened.push(group)
  return group
}

const faults = (what: object): void => writeFileSync(join(folder, 'faults'), JSON.stringify(what))
const probeConfig = (more: object = {}): object => ({
  file: join(folder, 'machines'),
  faults: join(folder, 'faults'),
  group_id: 'probe/group',
  max_size: 100,
  ...more,
})
async function openProbe(
  more: object = {},
  connector: ConnectorConfig = {},
  options: GoPluginOptions = {},
): Promise<InstanceGroup> {
  const group = open(probe, probeConfig(more), connector, options)
  await group.init(never)
  return group
}
const launch = (group: InstanceGroup, count: number) => group.increase({ count, launchToken: 'token' }, never)
async function running(group: InstanceGroup, count: number): Promise<readonly string[]> {
  return await eventually(async () => {
    const rows = (await group.list(never)).filter(({ state }) => state === 'running')
    expect(rows).toHaveLength(count)
    return rows.map(({ id }) => id)
  })
}
const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
const messages = (): readonly string[] => log.map(({ message }) => message)

describe.skipIf('absent' in built)("upstream's dummy plugin", () => {
  test.each(['offer', 'require', 'off'] as const)(
    'with TLS %s: initialised, launched, listed, suspended, resumed, removed, shut down',
    async (tls) => {
      const group = open(dummy, { Suspendable: true, MaxSize: 7 }, {}, { tls })
      expect(await group.init(never)).toEqual({
        id: 'dummy/dummy',
        maxSize: 7,
        version: 'dummy version',
        capabilities: ['heartbeat', 'suspend_resume'],
        untold: ['findings', 'launch_errors', 'states'],
      })
      expect(await launch(group, 2)).toEqual({ requested: 2, errors: [] })
      const ids = await running(group, 2)
      expect(await group.suspend!(ids, never)).toEqual({ accepted: ids, errors: [] })
      expect((await group.list(never)).map(({ state }) => state)).toEqual(['suspended', 'suspended'])
      await group.resume!(ids, never)
      await running(group, 2)
      expect(await group.decrease([ids[0]!, 'unknown'], never)).toEqual({ accepted: [ids[0], 'unknown'], errors: [] })
      await running(group, 1)
      expect(await launch(group, 9)).toMatchObject({ requested: 6, errors: [{ code: 'quota' }] })
      expect(messages().includes('configuring server automatic mTLS')).toBe(tls !== 'off')
      await group.shutdown()
      opened = []
      expect(messages()).toContain('dummy shutdown called')
    },
  )

  test.skipIf(sshdMissing() !== undefined)(
    'keeps to the contract, by every case that needs no controls of its cloud',
    async () => {
      const sshd = await startSshd()
      onTestFinished(() => sshd.stop())
      const { port, username, privateKey, hostKey } = sshd
      const connector = createSshConnector({ connector: {} })
      const report = await runConformance(
        () => open(dummy, { Suspendable: true, ListenSSH: true, MaxSize: 3 }, { username, privateKey }),
        {
          maxInstances: 3,
          patienceMs: 30_000,
          pollMs: 10,
          machinesOutliveInstances: true,
          // Its own listener runs nothing: it says hello to whatever is asked. What it answers is looked at in the next
          // test.
          connect: (info, signal) =>
            connector.connect({ ...info, internalAddress: `127.0.0.1:${port}`, hostKeys: [hostKey] }, signal),
        },
      )
      expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
      const passed = report.outcomes.filter(({ outcome }) => outcome === 'passed').map(({ name }) => name)
      expect(passed).toEqual(
        expect.arrayContaining([
          'increase beyond the maximum accepts what fits and returns a quota error for the rest',
          'decrease accepts unknown ids and removes nothing for them',
          'concurrent increases add up',
          'connectInfo of an instance that does not exist fails with not_found, whether or not it ever existed',
          'a running call ends within a second of its abort',
          'heartbeat succeeds for a running instance and fails for one that is gone',
          'suspend and resume, each twice',
          'nothing is left, and the group shuts down',
        ]),
      )
      expect(passed.length).toBeGreaterThan(25)
      opened = []
    },
  )

  test('a command through its SSH listener, by the connector that jobs use', async () => {
    const group = open(
      dummy,
      { ListenSSH: true },
      { username: 'anybody', password: 'anything', useStaticCredentials: true },
    )
    await group.init(never)
    await launch(group, 1)
    const [id] = await running(group, 1)
    const connection = await createSshConnector({ connector: {} }).connect(await group.connectInfo(id!, never), never)
    let text = ''
    const execution = await connection.exec('echo hello', {
      stdout: (chunk) => {
        text += chunk.toString()
      },
    })
    expect(await execution.closed).toEqual({ code: 0 })
    expect(text).toContain('hello world')
    await connection.close()
  })
})

describe.skipIf('absent' in built)("a plugin made with upstream's library", () => {
  test('what it logs, and what it prints past its logger', async () => {
    await openProbe()
    await eventually(() => expect(messages()).toContain('printed past the logger'))
    expect(log).toContainEqual({
      level: 'debug',
      message: 'called',
      fields: expect.objectContaining({ plugin: 'fleeting-plugin-probe', plugin_method: 'Init' }),
    })
  })

  test('times are sent, also where none are set; those that it does not echo are not missed', async () => {
    const group = await openProbe({ address: '10.0.0.1' }, { username: 'ci', password: 'p' })
    await launch(group, 1)
    const [id] = await running(group, 1)
    faults({ zero_times: true })
    expect(await group.connectInfo(id!, never)).toMatchObject({
      internalAddress: '10.0.0.1',
      username: 'ci',
      password: 'p',
    })
    await eventually(() => {
      const sent = log.find(({ message }) => message === 'connect info')?.fields
      expect(sent).toMatchObject({ plugin_keepalive: 30_000_000_000, plugin_timeout: 600_000_000_000 })
    })
  })

  test('without the sub-messages it ends in a panic, which is why they are always sent', async () => {
    const options = {
      file: probe,
      environment: process.env,
      certificate: undefined,
      startTimeoutMs: 30_000,
      clock: systemClock,
      logger: silentLogger,
    }
    const bare = await PluginProcess.start(options, never)
    const client = new PluginClient(bare.handshake, undefined)
    const init = client.call('Init', { config: Buffer.from('{}'), settings: null }, never)
    await expect(init).rejects.toMatchObject({ code: 'transient', status: 14 })
    expect(await bare.ended).toBe('exit code 2')
    client.close()
  })

  test('machines made before a refusal are told with it', async () => {
    const group = await openProbe()
    await group.list(never)
    faults({ increase_only: 2, increase_error: 'quota exceeded: 5 wanted' })
    const { requested, ids, errors } = await launch(group, 5)
    expect([requested, errors]).toMatchObject([2, [{ code: 'quota', message: 'quota exceeded: 5 wanted' }]])
    faults({})
    expect((await running(group, 2)).toSorted()).toEqual(ids?.toSorted())
  })

  test('removals before an error are accepted, the others keep it', async () => {
    const group = await openProbe()
    await launch(group, 3)
    const [first, second, third] = (await running(group, 3)) as [string, string, string]
    faults({ decrease_stops_at: second })
    const { accepted, errors } = await group.decrease([first, second, third], never)
    expect([accepted, errors?.map(({ instanceId }) => instanceId)]).toEqual([[first], [second, third]])
  })

  test('a suspension in part is told by what comes with the refusal', async () => {
    const group = await openProbe({ suspension: true })
    await launch(group, 2)
    const [first, second] = (await running(group, 2)) as [string, string]
    faults({ power_partly: true })
    expect(await group.suspend!([first, second], never)).toMatchObject({
      accepted: [first],
      errors: [{ instanceId: second }],
    })
  })

  test('odd states: what is lost is failed', async () => {
    const group = await openProbe()
    const states = ['timeout', 'suspended', 'resuming', 'deleted', 'levitating', '']
    writeFileSync(join(folder, 'machines'), JSON.stringify(states.map((state) => ({ id: `m-${state}`, state }))))
    const rows = (await group.list(never)).map(({ id, state }) => `${id} ${state}`)
    // Upstream's library drops what it does not know, before it comes to the wire.
    expect(rows).toEqual(['m-timeout failed', 'm-suspended suspended', 'm-resuming resuming', 'm-deleted deleted'])
  })

  test('the sentinel of a bad heartbeat is known by its text', async () => {
    const group = await openProbe()
    faults({ unhealthy: true })
    await expect(group.heartbeat!('a', never)).rejects.toMatchObject({
      code: 'not_found',
      message: 'heartbeat: instance is unhealthy',
    })
  })

  test.each([
    ['unmarshaling config', { max_size: 'many' }, {}, 'invalid_config'],
    ['no such credentials', {}, { error: { Init: 'no valid credentials found' } }, 'auth'],
  ])('a refused Init: %s', async (_what, config, what, code) => {
    faults(what)
    await expect(openProbe(config)).rejects.toMatchObject({ code })
  })

  test('a call that nobody waits for any more is cancelled in the plugin', async () => {
    const group = await openProbe({}, {}, { callTimeoutMs: 700 })
    faults({ hang: 'Update' })
    await expect(group.list(never)).rejects.toMatchObject({ code: 'transient' })
    await eventually(() => expect(messages()).toContain('canceled'))
    faults({})
    expect(await group.list(never)).toEqual([])
  })

  test.each(['Increase', 'Update', 'Decrease'])(
    'a panic in %s: down, up again, and its machines are still there',
    async (method) => {
      const group = await openProbe()
      await launch(group, 1)
      const [id] = (await running(group, 1)) as [string]
      faults({ panic: method })
      const calls: Record<string, () => Promise<unknown>> = {
        Update: () => group.list(never),
        Increase: () => launch(group, 1),
        Decrease: () => group.decrease([id], never),
      }
      await expect(calls[method]!()).rejects.toMatchObject({ code: 'transient' })
      faults({})
      await eventually(() => expect(messages()).toContain('plugin runs again'))
      expect(await running(group, 1)).toEqual([id])
      const panic = log.find(({ message }) => message.startsWith('panic: '))
      expect(panic).toMatchObject({ level: 'error', message: expect.stringContaining(`told to panic in ${method}`) })
    },
  )

  test('what it started goes with it', async () => {
    const file = join(folder, 'child')
    const group = await openProbe({ child_pid_file: file })
    const child = Number(readFileSync(file, 'utf8'))
    expect(isAlive(child)).toBe(true)
    await group.shutdown()
    opened = []
    await eventually(() => expect(isAlive(child)).toBe(false))
  })

  test.skipIf(sshdMissing() !== undefined)(
    'killed under running jobs: they go on, and the next gets a machine from its next process',
    async () => {
      await killedUnderJobs((sshd) => {
        const child = join(folder, 'child')
        const config = `file = "${folder}/machines", faults = "${folder}/faults", group_id = "probe/jobs", max_size = 9, address = "127.0.0.1:${sshd.port}"`
        return {
          file: probe,
          config: `${config}, child_pid_file = "${child}"`,
          // The child's group is the plugin's.
          pid: () =>
            Number(
              readFileSync(`/proc/${readFileSync(child, 'utf8')}/stat`, 'utf8')
                .split(') ')[1]
                ?.split(' ')[1],
            ),
          mayStart: (may) => faults(may ? {} : { error: { Init: 'not yet' } }),
        }
      })
    },
  )
})
