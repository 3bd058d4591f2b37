import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type ConnectInfo, type InstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { MemoryStateStore } from '@runner-core/fleeting/state'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'
import type { MachineRecord } from '../src/machine-records.ts'
import { connect, directoryOf, isAlive, launch, run, signal, startGroup, until } from './local-fleet.ts'

let root: string
let stateDir: string
let group: InstanceGroup | undefined
const managers: ChildProcess[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'local-test-'))
  stateDir = join(root, 'state')
})
afterEach(async () => {
  for (const manager of managers.splice(0)) manager.kill('SIGKILL')
  await removeAll()
  // Who finds no machine leaves what belongs to none.
  for (const folder of ['machines', 'homes'])
    expect(existsSync(stateDir) ? readdirSync(join(stateDir, folder)) : []).toEqual([])
  rmSync(root, { recursive: true })
})

/** Removes what is left of the fleet, and the group with it. */
async function removeAll(): Promise<void> {
  group ??= await startGroup({}, stateDir)
  const ids = (await group.list(signal)).map(({ id }) => id)
  await group.decrease(ids, signal)
  await until(async () => (await group!.list(signal)).length === 0)
  await group.shutdown()
  group = undefined
}

async function startManager(
  instances: number,
  config: object = {},
): Promise<{ manager: ChildProcess; infos: ConnectInfo[] }> {
  const program = fileURLToPath(new URL('manager.ts', import.meta.url))
  const manager = spawn(
    process.execPath,
    ['--conditions=@runner-core/source', program, String(instances), JSON.stringify(config), stateDir],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  managers.push(manager)
  const [line] = await once(createInterface(manager.stdout!), 'line')
  return { manager, infos: JSON.parse(line as string) as ConnectInfo[] }
}

async function killed(manager: ChildProcess): Promise<void> {
  manager.kill('SIGKILL')
  await once(manager, 'exit')
}

const recordOf = (id: string): MachineRecord =>
  JSON.parse(readFileSync(join(stateDir, 'machines', id, 'machine.json'), 'utf8')) as MachineRecord

describe('local instances with durable state', () => {
  test('outlive a manager that is killed, with what runs on them, and are found, reached and removed by the next one', async () => {
    const { manager, infos } = await startManager(2)
    const connector = createSshConnector({ connector: {} })
    const connection = await connector.connect(infos[0]!, signal)
    await run(
      connection,
      '(n=0; until [ -e go ]; do sleep 0.02; done; echo through >result) >/dev/null 2>&1 & echo before >file',
    )
    await killed(manager)

    group = await startGroup({}, stateDir)
    const listed = await group.list(signal)
    expect(listed.map(({ id, state }) => ({ id, state }))).toEqual(
      expect.arrayContaining(infos.map(({ instanceId }) => ({ id: instanceId, state: 'running' }))),
    )
    expect(listed).toHaveLength(2)
    const info = await group.connectInfo(infos[0]!.instanceId, signal)
    expect(info).toMatchObject({ internalAddress: infos[0]!.internalAddress, hostKeys: infos[0]!.hostKeys })
    expect(info.privateKey).not.toBe(infos[0]!.privateKey)
    const again = await connect(group, info.instanceId)
    // The connection of the manager that is gone is this test's own, so even that still works; a new one with its key
    // does not.
    await expect(connector.connect(infos[0]!, signal)).rejects.toMatchObject({ code: 'refused_credentials' })
    expect(await run(again, 'cat file; touch go; until [ -s result ]; do sleep 0.02; done; cat result')).toMatchObject({
      stdout: 'before\nthrough\n',
    })
    const directory = await directoryOf(again)
    const { pid } = recordOf(info.instanceId)
    await removeAll()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(directory)).toBe(false)
    expect(readdirSync(root)).toEqual([])
  })

  test('know launches of the manager that is gone, and count', async () => {
    const { manager, infos } = await startManager(2)
    await killed(manager)
    group = await startGroup({ max_size: 3 }, stateDir)
    const [{ launchToken } = { launchToken: '' }] = await group.list(signal)
    const same = await group.increase({ count: 2, launchToken: launchToken! }, signal)
    expect(new Set(same.ids)).toEqual(new Set(infos.map(({ instanceId }) => instanceId)))
    expect(await group.increase({ count: 2, launchToken: 'new' }, signal)).toMatchObject({
      requested: 1,
      errors: [{ code: 'quota' }],
    })
  })

  test('are left alone by who only looks', async () => {
    const { manager, infos } = await startManager(1)
    await killed(manager)
    const { pid } = recordOf(infos[0]!.instanceId)
    const before = readFileSync(join(stateDir, 'owner'), 'utf8')
    const looking = await startGroup({}, stateDir)
    expect(await looking.list(signal)).toHaveLength(1)
    await looking.shutdown()
    expect(isAlive(pid)).toBe(true)
    expect(readFileSync(join(stateDir, 'owner'), 'utf8')).toBe(before)
  })

  test('that never came up are left alone by who only looks, too', async () => {
    const record = join(stateDir, 'machines', 'local-never')
    mkdirSync(record, { recursive: true })
    writeFileSync(
      join(record, 'launch.json'),
      JSON.stringify({ launchToken: 't', directory: join(stateDir, 'homes', 'local-never'), launchedAt: 0 }),
    )
    const looking = await startGroup({}, stateDir)
    expect(await looking.list(signal)).toMatchObject([{ id: 'local-never', state: 'failed' }])
    await looking.shutdown()
    expect(readdirSync(record)).toEqual(['launch.json'])
  })

  test('that were killed with their manager are gone for the next one, which removes what they left', async () => {
    const { manager, infos } = await startManager(2)
    const [doomed, other] = infos.map(({ instanceId }) => instanceId)
    const connection = await createSshConnector({ connector: {} }).connect(infos[0]!, signal)
    const { stdout } = await run(connection, 'setsid sh -c "sleep 1000 >/dev/null 2>&1 & echo \\$!"')
    await killed(manager)
    const { pid } = recordOf(doomed!)
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid))
    expect(isAlive(Number(stdout))).toBe(true)
    group = await startGroup({}, stateDir)
    expect((await group.list(signal)).map(({ id }) => id)).toEqual([other])
    await connect(group, other!)
    await until(
      async () => (await group!.list(signal)).length === 1 && !existsSync(join(stateDir, 'machines', doomed!)),
    )
    expect(isAlive(Number(stdout))).toBe(false)
    expect(readdirSync(join(stateDir, 'homes'))).toEqual([other])
  })

  test('never take another process for themselves that has got their number', async () => {
    const { manager, infos } = await startManager(1)
    await killed(manager)
    const [{ instanceId }] = infos as [ConnectInfo]
    const record = recordOf(instanceId)
    const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' })
    try {
      process.kill(record.pid, 'SIGKILL')
      await until(() => !isAlive(record.pid))
      writeFileSync(
        join(stateDir, 'machines', instanceId, 'machine.json'),
        JSON.stringify({ ...record, pid: stranger.pid }),
      )
      group = await startGroup({}, stateDir)
      expect(await group.list(signal)).toEqual([])
      await group.decrease([instanceId], signal)
      await launch(group, 1)
      await until(() => !existsSync(join(stateDir, 'machines', instanceId)))
      expect(isAlive(stranger.pid!)).toBe(true)
    } finally {
      stranger.kill('SIGKILL')
    }
  })

  test('end themselves with all that runs on them once nobody has owned them for long enough', async () => {
    const { manager, infos } = await startManager(2, { unowned_timeout_ms: 500 })
    const connection = await createSshConnector({ connector: {} }).connect(infos[0]!, signal)
    const { stdout } = await run(connection, 'setsid sh -c "sleep 1000 >/dev/null 2>&1 & echo \\$!"')
    const pids = [Number(stdout), ...infos.map(({ instanceId }) => recordOf(instanceId).pid)]
    await killed(manager)
    await until(() => !pids.some(isAlive))
    await until(() => readdirSync(join(stateDir, 'machines')).length === 0)
    expect(readdirSync(join(stateDir, 'homes'))).toEqual([])
  })

  test('belong to the state that launched them: a manager with another state is refused, and may have them once it is told to take them', async () => {
    const startProvisioner = async (mayTake: 'own' | 'any'): Promise<Provisioner> => {
      const lease = await new MemoryStateStore().lease('test')
      const context = {
        fleet: 'test',
        stateDir,
        connector: {},
        logger: silentLogger,
        clock: systemClock,
        random: Math.random,
      }
      return Provisioner.start(
        { group: createInstanceGroup({}, context), lease, owner: { name: 'fleet test', mayTake } },
        signal,
      )
    }
    const first = await startProvisioner('own')
    first.request(1, { reason: 'test' })
    await until(() => [...first.instances().values()].some(({ state }) => state === 'running'))
    await first.shutdown({ removeInstances: false })
    await expect(startProvisioner('own')).rejects.toMatchObject({
      code: 'group_owned',
      owner: { name: 'fleet test', epoch: 1 },
    })
    const second = await startProvisioner('any')
    expect([...second.instances().values()].map(({ cause }) => cause)).toEqual(['adopted'])
    expect(await second.shutdown({ removeInstances: true })).toEqual({ remaining: [] })
    expect(existsSync(join(stateDir, 'group-owner'))).toBe(false)
  })

  test('are not ended by a shutdown; a failed one shows why', async () => {
    group = await startGroup({}, stateDir)
    const [id] = await launch(group, 1)
    await group.shutdown()
    const { pid } = recordOf(id!)
    expect(isAlive(pid)).toBe(true)
    group = await startGroup({}, stateDir)
    expect(await group.list(signal)).toMatchObject([{ id, state: 'running' }])
    await connect(group, id!)
    rmSync(join(stateDir, 'homes'), { recursive: true })
    await group.increase({ count: 1, launchToken: 'b' }, signal)
    await until(async () => (await group!.list(signal)).some(({ state }) => state === 'failed'))
    const failed = (await group.list(signal)).find(({ state }) => state === 'failed')
    expect(failed?.detail).toContain('ENOENT')
  })
})
