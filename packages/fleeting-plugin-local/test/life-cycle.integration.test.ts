import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ConnectInfo, Connection, InstanceGroup } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { processesOf } from '../src/instance-processes.ts'
import { connect, directoryOf, isAlive, isGone, launch, run, signal, startGroup, until } from './local-fleet.ts'

let rootDir: string
let group: InstanceGroup
beforeEach(async () => {
  rootDir = mkdtempSync(join(tmpdir(), 'local-test-'))
  group = await startGroup({ root_dir: rootDir })
})
afterEach(async () => {
  await group.shutdown()
  expect(readdirSync(rootDir)).toEqual([])
  rmSync(rootDir, { recursive: true })
})

/** Starts a process that has left its session and whose parents are gone; answers its id. */
async function startDaemon(connection: Connection): Promise<number> {
  const { stdout } = await run(connection, 'setsid sh -c "sleep 1000 >/dev/null 2>&1 & echo \\$!"')
  return Number(stdout)
}

/** The instance's own process, of which only the machine knows. */
async function serverOf(connection: Connection): Promise<number> {
  const { stdout } = await run(connection, 'ps -o ppid= -p $$ 2>/dev/null || cut -d" " -f4 /proc/$$/stat')
  return Number(stdout)
}

describe('the end of a local instance', () => {
  test('takes everything with it that ran there, wherever it hid', async () => {
    const [first, second] = await launch(group, 2)
    const [doomed, other] = [await connect(group, first!), await connect(group, second!)]
    const directory = await directoryOf(doomed)
    let anonymous = 0
    const running = await doomed.exec('env -i sh -c "echo \\$\\$; exec sleep 1000"', {
      stdout: (chunk) => {
        anonymous = Number(chunk)
      },
    })
    const ended = expect(running.exited).rejects.toMatchObject({ code: 'connection_lost' })
    const daemon = await startDaemon(doomed)
    const survivor = await startDaemon(other)
    await until(() => anonymous > 0)
    expect([anonymous, daemon, survivor].map(isAlive)).toEqual([true, true, true])

    expect(await group.decrease([first!], signal)).toEqual({ accepted: [first] })
    expect(await group.list(signal)).toContainEqual(expect.objectContaining({ id: first, state: 'deleting' }))
    await until(async () => (await group.list(signal)).length === 1)
    expect(isGone(directory)).toBe(true)
    expect(processesOf(first!)).toEqual([])
    expect([anonymous, daemon, survivor].map(isAlive)).toEqual([false, false, true])
    await ended
    await other.close()
  })

  test('by a kill shows in the next list, and leaves nothing either', async () => {
    const [id] = await launch(group, 1)
    const connection = await connect(group, id!)
    const [directory, daemon, server] = [
      await directoryOf(connection),
      await startDaemon(connection),
      await serverOf(connection),
    ]
    process.kill(server, 'SIGKILL')
    await until(async () => (await group.list(signal)).length === 0)
    expect(isAlive(daemon)).toBe(false)
    expect(isGone(directory)).toBe(true)
    await expect(group.connectInfo(id!, signal)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('before it ever ran is a failure with its reason, until it is removed', async () => {
    await group.decrease(await launch(group, 1), signal)
    await until(async () => (await group.list(signal)).length === 0)
    rmSync(join(rootDir, readdirSync(rootDir)[0]!), { recursive: true })
    const { ids } = await group.increase({ count: 1, launchToken: 'b' }, signal)
    await until(async () => (await group.list(signal))[0]?.state === 'failed')
    expect((await group.list(signal))[0]?.detail).toContain('ENOENT')
    await group.decrease(ids!, signal)
    await until(async () => (await group.list(signal)).length === 0)
  })
})

describe('twenty local instances at once', () => {
  test('all run, each with a port and a home of its own', async () => {
    const ids = await launch(group, 20)
    const infos = await Promise.all(ids.map((id) => group.connectInfo(id, signal)))
    expect(new Set(infos.map(({ internalAddress }) => internalAddress)).size).toBe(20)
    expect(new Set(infos.map(({ hostKeys }) => hostKeys![0])).size).toBe(20)
    const connections = await Promise.all(ids.map((id) => connect(group, id)))
    const homes = await Promise.all(connections.map(directoryOf))
    expect(homes.map((home) => home.split('/').at(-1))).toEqual(ids)
    for (const connection of connections) await connection.close()
  })
})

describe('the end of a local group', () => {
  let manager: ChildProcess
  let infos: ConnectInfo[]
  afterEach(() => manager.kill('SIGKILL'))

  async function startManager(instances: number): Promise<void> {
    const program = fileURLToPath(new URL('manager.ts', import.meta.url))
    // A group of its own, as a shell makes one for what Ctrl-C is meant for.
    manager = spawn(
      process.execPath,
      ['--conditions=@runner-core/source', program, String(instances), JSON.stringify({ root_dir: rootDir })],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const [line] = await once(createInterface(manager.stdout!), 'line')
    infos = JSON.parse(line as string) as ConnectInfo[]
  }

  async function connectAll(): Promise<Connection[]> {
    const connector = createSshConnector({ connector: {} })
    return Promise.all(infos.map((info) => connector.connect(info, signal)))
  }

  test('by SIGKILL takes its instances, their processes and homes with it', async () => {
    await startManager(2)
    const connections = await connectAll()
    const daemons = await Promise.all(connections.map(startDaemon))
    const servers = await Promise.all(connections.map(serverOf))
    expect([...daemons, ...servers].map(isAlive)).toEqual([true, true, true, true])
    const directories = readdirSync(rootDir)
    manager.kill('SIGKILL')
    await until(() => ![...daemons, ...servers].some(isAlive))
    expect(infos.flatMap(({ instanceId }) => processesOf(instanceId))).toEqual([])
    expect(directories).toHaveLength(1)
    await until(() => readdirSync(rootDir).length === 0)
  })

  test('is not brought about by Ctrl-C, as long as the manager goes on', async () => {
    await startManager(1)
    const [connection] = await connectAll()
    process.kill(-manager.pid!, 'SIGINT')
    expect(await run(connection!, 'sleep 0.1; echo on')).toMatchObject({ stdout: 'on\n' })
    const server = await serverOf(connection!)
    manager.kill('SIGKILL')
    await until(() => !isAlive(server))
  })

  test('together with its instances leaves what the next group removes, once it launches', async () => {
    await startManager(1)
    const [connection] = await connectAll()
    const [daemon, server] = [await startDaemon(connection!), await serverOf(connection!)]
    // The instance cannot end in its own way when its group does.
    process.kill(server, 'SIGSTOP')
    manager.kill('SIGKILL')
    await once(manager, 'exit')
    process.kill(server, 'SIGKILL')
    await until(() => !isAlive(server))
    expect(isAlive(daemon)).toBe(true)
    const left = readdirSync(rootDir)
    expect(left).toHaveLength(1)

    // Whoever starts a group only to look at it leaves them alone.
    await group.init(signal)
    await group.list(signal)
    expect(isAlive(daemon)).toBe(true)
    expect(readdirSync(rootDir)).toEqual(left)
    await launch(group, 1)
    expect(isAlive(daemon)).toBe(false)
    expect(readdirSync(rootDir)).toHaveLength(1)
    expect(readdirSync(rootDir)).not.toEqual(left)
  })
})
