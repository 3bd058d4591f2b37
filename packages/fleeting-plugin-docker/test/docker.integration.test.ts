import { execFileSync } from 'node:child_process'
import { createConnection } from 'node:net'
import { type Connection, type InstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const image = 'runner-core-sshd'
const missing = await dockerMissing(image)
if (missing !== undefined) console.warn(`SKIPPED: plugin docker against Docker: ${missing}`)

const { signal } = new AbortController()
const connector = createSshConnector({ connector: { hostKeyChecking: 'strict' } })
/** A fleet of this process alone, so that runs beside each other do not meet. */
const fleet = `test-${process.pid}`

function makeGroup(name: string): InstanceGroup {
  const context = { fleet: name, connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
  return createInstanceGroup({ image, max_size: 3 }, context)
}

async function output(connection: Connection, command: string): Promise<string> {
  let text = ''
  const execution = await connection.exec(command, {
    stdout: (chunk) => {
      text += chunk
    },
  })
  await execution.closed
  return text.trim()
}

const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8' }).trim()

describe.skipIf(missing !== undefined)('with a Docker daemon', () => {
  const group = `${fleet}-conformance`
  const cloud = {
    machines: () =>
      docker('ps', '--all', '--format', '{{.ID}}', '--filter', `label=runner-core.fleet=${group}`)
        .split('\n')
        .filter(Boolean),
    addForeign: () => docker('run', '--detach', '--label', `runner-core.fleet=${group}`, image).slice(0, 12),
    kill: (id: string) => void docker('rm', '--force', id),
  }
  describeInstanceGroup('plugin docker', () => makeGroup(group), {
    maxInstances: 3,
    patienceMs: 60_000,
    pollMs: 20,
    cloud,
  })

  describe('a container', () => {
    const group = makeGroup(fleet)
    let id: string
    beforeAll(async () => {
      await group.init(signal)
      const { ids, errors } = await group.increase({ count: 1, launchToken: `token-${process.pid}` }, signal)
      expect(errors).toEqual([])
      ;[id] = ids as [string]
    })
    afterAll(async () => {
      const ids = (await group.list(signal)).map((instance) => instance.id)
      await group.decrease(ids, signal)
      await group.shutdown()
      expect(docker('ps', '--all', '--quiet', '--filter', `label=runner-core.fleet=${fleet}`)).toBe('')
    })

    test('listens on the loopback address only, and shows no key', async () => {
      expect(docker('port', id)).toMatch(/^22\/tcp -> 127\.0\.0\.1:\d+$/)
      expect(docker('inspect', id)).not.toContain('PRIVATE KEY')
    })

    test('forwards to its own ports, and knows signals', async () => {
      const connection = await connector.connect(await group.connectInfo(id, signal), signal)
      expect(await output(connection, 'id -un; echo ~; cat /proc/1/comm')).toBe('runner\n/home/runner\nsshd')
      const stream = await connection.dial({ host: '127.0.0.1', port: 22 })
      const [banner] = (await stream[Symbol.asyncIterator]().next()).value.toString().split('\r\n')
      expect(banner).toMatch(/^SSH-2\.0-OpenSSH/)
      stream.destroy()
      // sshd drops a signal that comes before the command runs.
      let isUp = (): void => {}
      const up = new Promise<void>((resolve) => {
        isUp = resolve
      })
      const execution = await connection.exec('echo up; exec sleep 1000', { stdout: () => isUp() })
      await up
      execution.kill('TERM')
      expect(await execution.closed).toEqual({ signal: 'TERM' })
      await connection.close()
    })

    test('is found, reached and removed by the next process of its fleet', async () => {
      const next = makeGroup(fleet)
      await next.init(signal)
      expect(await next.list(signal)).toMatchObject([{ id, state: 'running', launchToken: `token-${process.pid}` }])
      const info = await next.connectInfo(id, signal)
      const connection = await connector.connect(info, signal)
      expect(await output(connection, 'echo adopted')).toBe('adopted')
      await connection.close()

      expect(await next.decrease([id], signal)).toEqual({ accepted: [id], errors: [] })
      expect(await next.list(signal)).toEqual([])
      const port = Number(info.internalAddress!.split(':')[1])
      await expect(
        new Promise((_, reject) => createConnection(port, '127.0.0.1').once('error', reject)),
      ).rejects.toThrow('ECONNREFUSED')
      await next.shutdown()
    })
  })

  test('a container takes its anonymous volumes with it', async () => {
    const withVolume = `${fleet}-volume`
    const template = docker('create', image)
    docker('commit', '--change', 'VOLUME /data', template, withVolume)
    docker('rm', template)
    const context = { fleet, connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
    const group = createInstanceGroup({ image: withVolume }, context)
    try {
      await group.init(signal)
      const { ids } = await group.increase({ count: 1, launchToken: 'volume' }, signal)
      const volume = docker('inspect', '--format', '{{(index .Mounts 0).Name}}', ids![0]!)
      expect(docker('volume', 'ls', '--quiet')).toContain(volume)
      await group.decrease(ids!, signal)
      expect(docker('volume', 'ls', '--quiet')).not.toContain(volume)
    } finally {
      docker('rmi', withVolume)
    }
  })

  test('a name that is taken is a conflict, and the others are made', async () => {
    const group = makeGroup(fleet)
    await group.init(signal)
    docker('create', '--name', `${fleet}-taken-0`, image)
    try {
      const { requested, ids, errors } = await group.increase({ count: 2, launchToken: 'taken' }, signal)
      expect(requested).toBe(1)
      expect(errors).toMatchObject([{ code: 'conflict' }])
      await group.decrease(ids!, signal)
    } finally {
      docker('rm', '--force', `${fleet}-taken-0`)
    }
  })

  test('an image that is not there is a configuration error', async () => {
    const context = { fleet, connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
    const group = createInstanceGroup({ image: 'no-such-image-at-all' }, context)
    await expect(group.init(signal)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/no-such-image-at-all.*mk-sshd-image/s),
    })
  })
})
