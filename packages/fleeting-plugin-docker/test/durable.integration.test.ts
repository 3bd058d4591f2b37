// With durable state a manager that is killed leaves its containers to the next one, which comes in by the same key.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  type Connection,
  type InstanceGroup,
  type KeyPair,
  silentLogger,
  systemClock,
  systemRandom,
} from '@runner-core/fleeting'
import { createSshConnector, newKeyPair } from '@runner-core/fleeting/ssh'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'
import type { ManagerOrder } from './manager.ts'

const image = 'runner-core-sshd'
const missing = await dockerMissing(image)
if (missing !== undefined) console.warn(`SKIPPED: plugin docker with durable state: ${missing}`)

const { signal } = new AbortController()
const connector = createSshConnector({ connector: { hostKeyChecking: 'strict' } })
const fleet = `test-durable-${process.pid}`
const launchToken = 'first'

async function output(connection: Connection, command: string): Promise<string> {
  let text = ''
  const execution = await connection.exec(command, {
    stdout: (chunk) => {
      text += chunk.toString()
    },
  })
  await execution.closed
  return text.trim()
}

describe.skipIf(missing !== undefined)('containers with durable state', () => {
  let stateDir: string
  let fleetKey: KeyPair
  let ids: readonly string[]
  const groups: InstanceGroup[] = []

  /** `fleetKey` is what the runner keeps, encrypted, for the next process. */
  async function nextGroup(key: KeyPair | undefined): Promise<InstanceGroup> {
    const kept = key !== undefined && { stateDir, fleetKey: key }
    const context = { fleet, ...kept, connector: {}, logger: silentLogger, clock: systemClock, random: systemRandom }
    const group = createInstanceGroup({ image, max_size: 3 }, context)
    groups.push(group)
    await group.init(signal)
    return group
  }

  beforeAll(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'docker-test-'))
    fleetKey = await newKeyPair()
    const order: ManagerOrder = { image, fleet, stateDir, fleetKey, count: 2, launchToken }
    const program = fileURLToPath(new URL('manager.ts', import.meta.url))
    const manager = spawn(process.execPath, ['--conditions=@runner-core/source', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MANAGER: JSON.stringify(order) },
    })
    const [line] = await once(createInterface(manager.stdout), 'line')
    ids = JSON.parse(line as string) as string[]
    manager.kill('SIGKILL')
    await once(manager, 'exit')
  })
  afterAll(async () => {
    const group = await nextGroup(fleetKey)
    await group.decrease(
      (await group.list(signal)).map(({ id }) => id),
      signal,
    )
    await Promise.all(groups.map((each) => each.shutdown()))
    // All that is known of a container is on it.
    expect(readdirSync(stateDir)).toEqual([])
    rmSync(stateDir, { recursive: true })
  })

  test('are listed and reached by the next manager, with the key that they were made with', async () => {
    const group = await nextGroup(fleetKey)
    expect(ids).toHaveLength(2)
    const rows = await group.list(signal)
    expect(rows.map(({ id, state, launchToken: token }) => ({ id, state, token }))).toEqual(
      expect.arrayContaining(ids.map((id) => ({ id, state: 'running', token: launchToken }))),
    )
    for (const id of ids) {
      const info = await group.connectInfo(id, signal)
      expect(info.privateKey).toBe(fleetKey.privateKey)
      const connection = await connector.connect(info, signal)
      expect(await output(connection, 'echo adopted; cat /etc/ssh/authorized_keys')).toBe(
        `adopted\n${fleetKey.publicKey}`,
      )
      await connection.close()
    }
    expect(execFileSync('docker', ['inspect', ...ids], { encoding: 'utf8' })).not.toContain('PRIVATE KEY')
  })

  test('count for the next manager: what the killed one asked for is not launched again', async () => {
    const group = await nextGroup(fleetKey)
    const again = await group.increase({ count: 2, launchToken }, signal)
    expect(again.ids?.toSorted()).toEqual(ids.toSorted())
    expect(await group.increase({ count: 2, launchToken: 'second' }, signal)).toMatchObject({
      requested: 1,
      errors: [{ code: 'quota' }],
    })
  })

  test('are reached by a manager that has lost the key too, and after it by one that has it', async () => {
    for (const key of [undefined, fleetKey]) {
      const group = await nextGroup(key)
      const connection = await connector.connect(await group.connectInfo(ids[0]!, signal), signal)
      expect(await output(connection, 'echo adopted')).toBe('adopted')
      await connection.close()
    }
  })
})
