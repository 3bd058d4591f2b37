import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connection, silentLogger, systemClock } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { startSshdContainer } from '@runner-core/testkit/ssh/sshd-container'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { expect, onTestFinished, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const image = 'runner-core-sshd'
const missing = await dockerMissing(image)
if (missing !== undefined) console.warn(`SKIPPED: plugin static with hosts in containers: ${missing}`)

async function outputOf(connection: Connection, command: string): Promise<string> {
  let output = ''
  const execution = await connection.exec(command, {
    stdout: (chunk) => {
      output += chunk
    },
  })
  expect(await execution.closed).toEqual({ code: 0 })
  return output.trim()
}

test.skipIf(missing !== undefined)(
  'a host that is another machine is lent, and again after it was restarted',
  async () => {
    const { signal } = new AbortController()
    const folder = mkdtempSync(join(tmpdir(), 'static-container-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    await using host = await startSshdContainer(image)
    const keyPath = join(folder, 'key')
    writeFileSync(keyPath, host.privateKey, { mode: 0o600 })

    const lend = async (): Promise<Connection> => {
      const group = createInstanceGroup(
        {
          instances: {
            container: {
              username: 'runner',
              key_path: keyPath,
              host_key: host.hostKey,
              external_addr: `${host.host}:${host.port}`,
            },
          },
        },
        { fleet: 'test', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random },
      )
      await group.init(signal)
      const { ids } = await group.increase({ count: 1, launchToken: 't' }, signal)
      const info = await group.connectInfo(ids![0]!, signal)
      return await createSshConnector({ connector: { timeoutMs: 20_000 } }).connect(info, signal)
    }

    const first = await lend()
    expect(await outputOf(first, 'hostname; echo kept > ~/note')).not.toBe(hostname())
    await first.close()
    await host.restart()
    const second = await lend()
    expect(await outputOf(second, 'cat ~/note')).toBe('kept')
    await second.close()
  },
)
