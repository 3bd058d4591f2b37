import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, InstanceGroup } from '@runner-core/fleeting'
import { createSshConnector, newKeyPair } from '@runner-core/fleeting/ssh'
import ssh2, { type IdentityCallback, type ParsedKey, type SignCallback } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, isAlive, launch, run, signal, startGroup, until } from './local-fleet.ts'

let group: InstanceGroup
let id: string
let connection: Connection

beforeAll(async () => {
  process.env['MANAGER_SECRET'] = 'hunter2'
  group = await startGroup()
  ;[id] = (await launch(group, 1)) as [string]
  connection = await connect(group, id)
})
afterAll(async () => {
  await connection.close()
  await group.shutdown()
})

/** Resident memory of the instance's own process, bytes. */
function serverMemory(): number {
  const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ')
  const pid = pids.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('fleeting-plugin-local'))
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

describe('a command on a local instance', () => {
  test('runs in the home, with a clean environment', async () => {
    const { stdout, stderr, status } = await run(
      connection,
      "pwd; touch made-here; tr '\\0' '\\n' </proc/self/environ; exit 7",
    )
    expect(status).toEqual({ code: 7 })
    expect(stderr).toBe('')
    const [home, ...environment] = stdout.trim().split('\n')
    expect(home).toMatch(new RegExp(`/${id}/home$`))
    expect(readdirSync(home!)).toEqual(['made-here'])
    expect(environment).toEqual(
      expect.arrayContaining([`HOME=${home}`, 'SHELL=/bin/sh', `PATH=${process.env['PATH']}`]),
    )
    const names = environment.map((variable) => variable.split('=')[0])
    const allowed = [
      'PATH',
      'LANG',
      'HOME',
      'TMPDIR',
      'SHELL',
      'USER',
      'LOGNAME',
      'FLEETING_PLUGIN_LOCAL_INSTANCE',
      'PWD',
      'OLDPWD',
      'SHLVL',
      '_',
    ]
    expect(names.filter((name) => !allowed.includes(name!))).toEqual([])
    // Nor does the instance itself hold what the manager has.
    expect(await run(connection, 'cat /proc/$PPID/environ')).toMatchObject({
      stdout: expect.not.stringContaining('hunter2'),
    })
  })

  test('reads its input to the end, and keeps its outputs apart', async () => {
    const { stdout, stderr, status } = await run(connection, 'cat; echo to-stderr >&2', 'x'.repeat(3_000_000))
    expect(stdout.length).toBe(3_000_000)
    expect(stderr).toBe('to-stderr\n')
    expect(status).toEqual({ code: 0 })
  })

  test('may leave its input unread', async () => {
    expect(await run(connection, 'exit 4', 'x'.repeat(5_000_000))).toMatchObject({ status: { code: 4 } })
    expect(await run(connection, 'exec <&-; sleep 0.1; echo done', 'x'.repeat(5_000_000))).toMatchObject({
      stdout: 'done\n',
    })
  })

  test('that cannot be started says why, and harms nobody', async () => {
    const { stderr, status } = await run(connection, 'echo \0')
    expect(status).toEqual({ code: 255 })
    expect(stderr).toContain('cannot start the shell')
    expect(await run(connection, 'echo on')).toMatchObject({ stdout: 'on\n' })
  })

  test('is told to end with all of its process group', async () => {
    let pid = 0
    const execution = await connection.exec('sleep 1000 & echo $!; wait', {
      stdout: (chunk) => {
        pid = Number(chunk)
      },
    })
    await until(() => pid > 0)
    execution.kill('TERM')
    expect(await execution.closed).toEqual({ signal: 'TERM' })
    await until(() => !isAlive(pid))
  })

  test('that ends by a signal without a name in SSH answers as a shell would', async () => {
    expect(await run(connection, 'kill -s XCPU $$')).toMatchObject({ status: { code: 128 + 24 } })
  })

  test('is over when its shell is, even while something holds its output open', async () => {
    let stdout = ''
    const execution = await connection.exec('(sleep 0.3; echo late) & echo early; exit 5', {
      stdout: (chunk) => {
        stdout += chunk
      },
    })
    expect(await execution.exited).toEqual({ code: 5 })
    expect(stdout).not.toContain('late')
    expect(await execution.closed).toEqual({ code: 5 })
    expect(stdout).toBe('early\nlate\n')
  })

  test('that loses its channel loses its pipes, so that it does not write for ever', async () => {
    let pid = 0
    const execution = await connection.exec('echo $$; exec yes', {
      stdout: (chunk) => {
        pid ||= Number.parseInt(chunk.toString(), 10)
      },
    })
    await until(() => pid > 0)
    execution.close()
    await until(() => !isAlive(pid))
  })

  test('streams 100 MB with little memory, whoever reads slowly', async () => {
    const before = serverMemory()
    let [size, peak] = [0, 0]
    const execution = await connection.exec('head -c 100000000 /dev/zero', {
      async stdout(chunk) {
        size += chunk.length
        if (size % 50 === 0) await sleep(1)
        peak = Math.max(peak, serverMemory())
      },
    })
    expect(await execution.closed).toEqual({ code: 0 })
    expect(size).toBe(100_000_000)
    expect(peak - before).toBeLessThan(64 * 1024 * 1024)
  })

  test('loses and doubles nothing when one output waits for the reader after the other', async () => {
    const hashes = { stdout: createHash('sha256'), stderr: createHash('sha256') }
    const waited = new Set<string>()
    const sink = (name: keyof typeof hashes) => async (chunk: Buffer) => {
      hashes[name].update(chunk)
      // 7 MB come while nobody reads: more than fits between here and there.
      if (!waited.has(name)) await sleep(300)
      waited.add(name)
    }
    const script = 'seq 1000000; seq 1000000 | tr 0-9 a-j >&2; seq 1000000'
    const execution = await connection.exec(script, { stdout: sink('stdout'), stderr: sink('stderr') })
    expect(await execution.closed).toEqual({ code: 0 })
    const numbers = Array.from({ length: 1_000_000 }, (_, index) => `${index + 1}\n`).join('')
    const letters = numbers.replaceAll(/\d/g, (digit) => 'abcdefghij'[Number(digit)]!)
    expect(hashes.stdout.digest('hex')).toBe(createHash('sha256').update(numbers.repeat(2)).digest('hex'))
    expect(hashes.stderr.digest('hex')).toBe(createHash('sha256').update(letters).digest('hex'))
  })
})

describe('a local instance', () => {
  test("lets nobody in but its group's key", async () => {
    const info = { ...(await group.connectInfo(id, signal)), privateKey: (await newKeyPair()).privateKey }
    await expect(createSshConnector({ connector: {} }).connect(info, signal)).rejects.toMatchObject({
      code: 'refused_credentials',
    })
  })

  test('wants proof that its client has the key, not only its public half', async () => {
    const { internalAddress, privateKey, username } = await group.connectInfo(id, signal)
    const [known, other] = [privateKey!, (await newKeyPair()).privateKey].map(
      (key) => ssh2.utils.parseKey(key) as ParsedKey,
    )
    class Forger extends ssh2.BaseAgent {
      override getIdentities(answer: IdentityCallback): void {
        answer(null, [known!])
      }
      override sign(_key: unknown, data: Buffer, ...[options, answer]: [unknown, SignCallback?]): void {
        ;(answer ?? (options as SignCallback))(null, other!.sign(data))
      }
    }
    const client = new ssh2.Client()
    const port = Number(internalAddress!.split(':')[1])
    const outcome = new Promise((resolve) =>
      client.once('ready', () => resolve('let in')).once('error', ({ message }) => resolve(message)),
    )
    client.connect({ host: '127.0.0.1', port, username, agent: new Forger() })
    expect(await outcome).toBe('All configured authentication methods failed')
    client.end()
  })

  test('connects to ports and Unix sockets of the machine', async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
    const socketPath = join(tmpdir(), `local-test-${process.pid}.sock`)
    const targets = [{ host: '127.0.0.1', port: 0 }, { socketPath }]
    for (const target of targets) {
      await new Promise<void>((resolve) =>
        'port' in target ? echo.listen(0, '127.0.0.1', resolve) : echo.listen(socketPath, resolve),
      )
      const address = echo.address()
      const stream = await connection.dial(
        typeof address === 'string' ? { socketPath } : { host: '127.0.0.1', port: address!.port },
      )
      stream.end('hello')
      expect(await text(stream)).toBe('hello')
      await new Promise((resolve) => echo.close(resolve))
    }
    await expect(connection.dial({ socketPath })).rejects.toMatchObject({ name: 'ConnectionError' })
  })
})
