// Our own plugins as executables under our own host: what a served plugin owes to any host, without Go.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ConnectorConfig, type Logger, systemClock } from '@runner-core/fleeting'
import { runConformance } from '@runner-core/fleeting/testing'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { PluginClient } from '../src/host/plugin-client.ts'
import { PluginProcess } from '../src/host/plugin-process.ts'
import { createGoPluginGroup } from '../src/index.ts'
import { magicCookie, parseHandshake } from '../src/wire/handshake.ts'

const executable = (name: string): string =>
  fileURLToPath(new URL(`../../fleeting-plugin-${name}/bin/fleeting-plugin-${name}.js`, import.meta.url))
const never = new AbortController().signal
/** With patience for a machine that does much else. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, 20_000)
const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')

let log: { readonly level: string; readonly message: string; readonly fields: object }[]
let logger: Logger
beforeEach(() => {
  log = []
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void log.push({ level, message, fields })
  logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
})

test.each(['aws', 'azure', 'docker', 'gce', 'local', 'static'])(
  'fleeting-plugin-%s says its version, and without a host what it is',
  (name) => {
    const { version } = JSON.parse(
      readFileSync(new URL(`../../fleeting-plugin-${name}/package.json`, import.meta.url), 'utf8'),
    )
    const told = spawnSync(executable(name), ['version'], { encoding: 'utf8' })
    expect(told).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(`^Name: +fleeting-plugin-${name}\nVersion: +${version}\n`),
    })
    const alone = spawnSync(executable(name), [], { encoding: 'utf8' })
    expect(alone).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('is a plugin') })
  },
)

test('plugin local, served, keeps the contract of instance groups at a host of ours, machines and commands included', async () => {
  const connector: ConnectorConfig = { timeoutMs: 20_000 }
  const report = await runConformance(
    () =>
      createGoPluginGroup(executable('local'), { tls: 'require' })(
        {},
        { fleet: 'test', connector, logger, clock: systemClock, random: Math.random },
      ),
    { pollMs: 50 },
  )
  expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  expect(log).toContainEqual(expect.objectContaining({ level: 'info', message: 'instance group is ready' }))
}, 120_000)

test.each(['init reports every fault', 'fails for capacity', 'every state of the cloud', 'credentials that expire'])(
  'plugin aws, served, on a cloud with controls: "%s" passes, or is skipped since the protocol has no words for it',
  async (only) => {
    const folder = mkdtempSync(join(tmpdir(), 'served-cloud-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    // A path that ends as modules do would be imported.
    symlinkSync(executable('aws'), join(folder, 'plugin'))
    const bin = fileURLToPath(new URL('../../fleeting/bin/fleeting.js', import.meta.url))
    const args = [bin, 'conformance', join(folder, 'plugin'), '--cloud', '@runner-core/cloud-fakes/aws', '--only', only]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect({ status, stdout, stderr }).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^[12] passed, 0 failed, [01] skipped$/m),
    })
  },
  60_000,
)

async function started(environment: NodeJS.ProcessEnv = process.env): Promise<PluginProcess> {
  const options = {
    file: executable('local'),
    environment,
    certificate: undefined,
    startTimeoutMs: 20_000,
    clock: systemClock,
    logger,
  }
  return await PluginProcess.start(options, never)
}

test('errors arrive as what they were', async () => {
  const group = createGoPluginGroup(executable('local'))(
    { max_size: 'many' },
    { fleet: 'test', connector: {}, logger, clock: systemClock, random: Math.random },
  )
  await expect(group.init(never)).rejects.toMatchObject({
    code: 'invalid_config',
    message: expect.stringContaining('max_size'),
  })
})

test('asked to end, it ends by itself, its socket and its machines with it', async () => {
  const plugin = await started()
  const client = new PluginClient(plugin.handshake, undefined)
  await client.call('Init', { config: Buffer.from('{}'), settings: null }, never)
  await client.call('Increase', { n: 1 }, never)
  const children = (): readonly number[] =>
    readFileSync(`/proc/${plugin.pid}/task/${plugin.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  const machines = await eventually(() => {
    // The host's guard, and the machine.
    expect(children()).toHaveLength(2)
    return children()
  })
  await client.endProcess(never)
  expect(await plugin.ended).toBe('exit code 0')
  client.close()
  expect(existsSync(dirname(plugin.handshake.address))).toBe(false)
  // The guard ends as soon as it sees that the plugin has, and is there until it is reaped.
  await eventually(() => expect(machines.filter(isAlive)).toEqual([]))
})

/** A host that is nothing but a process between us and the plugin. */
function lonelyHost(): Promise<{ readonly hostPid: number; readonly pluginPid: number; readonly socket: string }> {
  const script = `const child = require('node:child_process').spawn(${JSON.stringify(executable('local'))}, [], { stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.once('data', (line) => console.log(JSON.stringify({ hostPid: process.pid, pluginPid: child.pid, line: String(line) })))`
  const host = spawn(process.execPath, ['-e', script], {
    env: { ...process.env, [magicCookie.name]: magicCookie.value, PLUGIN_PROTOCOL_VERSIONS: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return new Promise((resolve) => {
    host.stdout.once('data', (text: Buffer) => {
      const { line, ...pids } = JSON.parse(text.toString())
      resolve({ ...pids, socket: parseHandshake(line).address })
    })
  })
}

test('a host that is killed leaves nothing: no plugin, no socket', async () => {
  const { hostPid, pluginPid, socket } = await lonelyHost()
  expect(isAlive(pluginPid)).toBe(true)
  process.kill(hostPid, 'SIGKILL')
  await eventually(() => expect(isAlive(pluginPid)).toBe(false))
  expect(existsSync(socket)).toBe(false)
})

test('SIGINT, which a terminal sends to all, is left to the host; SIGTERM ends it', async () => {
  const { pluginPid, socket } = await lonelyHost()
  process.kill(pluginPid, 'SIGINT')
  const client = new PluginClient({ network: 'unix', address: socket }, undefined)
  await client.call('Init', { config: Buffer.from('{}'), settings: null }, never)
  process.kill(pluginPid, 'SIGTERM')
  await eventually(() => expect(isAlive(pluginPid)).toBe(false))
  client.close()
})

const printing = fileURLToPath(new URL('./printing-plugin.ts', import.meta.url))
const printingGroup = (config: object) =>
  createGoPluginGroup(printing)(config, { fleet: 'test', connector: {}, logger, clock: systemClock, random: () => 0 })

test('what a plugin prints reaches the host by its own stream, what it logs with level and fields; a list has no limit', async () => {
  const group = printingGroup({ machines: 50_000 })
  await group.init(never)
  expect(await group.list(never)).toHaveLength(50_000)
  await eventually(() => {
    for (const stream of ['stdout', 'stderr'])
      expect(log).toContainEqual(
        expect.objectContaining({
          level: 'debug',
          message: expect.stringMatching(/^printed to/),
          fields: expect.objectContaining({ stream }),
        }),
      )
  })
  expect(log).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      message: 'logged',
      fields: expect.objectContaining({ plugin_number: 7 }),
    }),
  )
  await group.shutdown()
})

test('a plugin that fails outside of any call says why in the log, and ends', async () => {
  const group = printingGroup({ breaks: true })
  await group.init(never)
  await eventually(() => expect(group.trouble?.()).toContain('exit code 1'))
  expect(log).toContainEqual(
    expect.objectContaining({
      level: 'error',
      fields: expect.objectContaining({ plugin_error: expect.stringContaining('nobody catches this') }),
    }),
  )
  await group.shutdown()
})
