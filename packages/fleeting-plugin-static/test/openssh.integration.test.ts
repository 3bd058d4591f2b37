import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: plugin static against OpenSSH: ${missing}`)

test.skipIf(missing !== undefined)(
  'a lent host is reached by its key file, and only with the host key that is configured',
  async () => {
    const { signal } = new AbortController()
    const directory = await mkdtemp(join(tmpdir(), 'static-test-'))
    const [sshd, other] = await Promise.all([startSshd(), startSshd()])
    try {
      const keyPath = join(directory, 'key')
      await writeFile(keyPath, sshd.privateKey)
      await chmod(keyPath, 0o600)
      const shared = { username: sshd.username, key_path: keyPath, host_key: sshd.hostKey }
      const instances = {
        right: { ...shared, external_addr: `127.0.0.1:${sshd.port}` },
        impostor: { ...shared, external_addr: `127.0.0.1:${other.port}` },
      }
      const context = { fleet: 'test', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
      const group = createInstanceGroup({ instances }, context)
      await group.init(signal)
      const { ids } = await group.increase({ count: 2, launchToken: 't' }, signal)
      const [right, impostor] = await Promise.all(ids!.map((id) => group.connectInfo(id, signal)))

      const connector = createSshConnector({ connector: { timeoutMs: 20_000 } })
      const connection = await connector.connect(right!, signal)
      let output = ''
      const execution = await connection.exec('echo hello; exit 3', {
        stdout: (chunk) => {
          output += chunk
        },
      })
      expect(await execution.closed).toEqual({ code: 3 })
      expect(output).toBe('hello\n')
      await connection.close()
      await expect(connector.connect(impostor!, signal)).rejects.toMatchObject({ code: 'host_key_mismatch' })
    } finally {
      await Promise.all([sshd.stop(), other.stop()])
      await rm(directory, { recursive: true })
    }
  },
)
