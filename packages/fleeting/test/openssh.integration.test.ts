import { execFileSync, spawn } from 'node:child_process'
import { createHash, createPrivateKey, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import ssh2 from 'ssh2'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ConnectInfo, Connection, ConnectorConfig, ExecOptions, Execution } from '../src/index.ts'
import { createSshConnector, newKeyPair } from '../src/ssh/index.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { newGate } from './memory-ssh-server.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: the SSH connector against OpenSSH: ${missing}`)

const never = new AbortController().signal
const rsaKey = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 })

describe.skipIf(missing !== undefined)('against OpenSSH', () => {
  let sshd: Sshd
  const open: Connection[] = []

  beforeAll(async () => {
    // Keys are exchanged anew after each megabyte, so that streams meet it.
    // OpenSSH sends signals to commands of users other than root only.
    const user = process.getuid?.() === 0 ? { user: `sshtest${process.pid}` } : {}
    sshd = await startSshd({ ...user, authorizedKeys: [rsaKey.public], config: ['RekeyLimit 1M'] })
  })
  afterAll(() => sshd?.stop())
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connection) => connection.close()))
    await expect.poll(() => sshd.connectionPids()).toEqual([])
  })

  const infoOf = (server: Sshd, more: Partial<ConnectInfo> = {}): ConnectInfo => ({
    instanceId: 'one',
    protocol: 'ssh',
    internalAddress: `127.0.0.1:${server.port}`,
    username: server.username,
    privateKey: server.privateKey,
    hostKeys: [server.hostKey],
    ...more,
  })
  const connectTo = async (info: ConnectInfo, config: ConnectorConfig = {}): Promise<Connection> => {
    const connection = await createSshConnector({ connector: { timeoutMs: 20_000, ...config } }).connect(info, never)
    open.push(connection)
    return connection
  }
  const connect = (): Promise<Connection> => connectTo(infoOf(sshd))

  describe('connecting', () => {
    test('40 at once, within what MaxStartups lets through', async () => {
      const connector = createSshConnector({ connector: { timeoutMs: 30_000 } })
      const connections = await Promise.all(Array.from({ length: 40 }, () => connector.connect(infoOf(sshd), never)))
      open.push(...connections)
      const outputs = await Promise.all(connections.map((connection, index) => run(connection, `echo ${index}`)))
      expect(outputs.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 40 }, (_, index) => index))
    })

    test('an RSA key in PKCS#8', async () => {
      const pkcs1 = (ssh2.utils.parseKey(rsaKey.private) as ssh2.ParsedKey).getPrivatePEM()
      const pkcs8 = createPrivateKey(pkcs1).export({ type: 'pkcs8', format: 'pem' }).toString()
      const connection = await connectTo(infoOf(sshd, { privateKey: pkcs8 }))
      expect((await run(connection, 'echo in')).stdout).toBe('in\n')
    })

    test('a key that an agent holds', async ({ skip }) => {
      const agent = await startAgent(sshd.privateKey)
      if (agent === undefined) return skip('ssh-agent and ssh-add are not installed')
      try {
        const { privateKey: _, ...info } = infoOf(sshd, { agentSocket: agent.socket })
        expect((await run(await connectTo(info), 'echo in')).stdout).toBe('in\n')
      } finally {
        agent.stop()
      }
    })

    test('a key that is not let in ends it at once', async () => {
      const other = (await newKeyPair()).privateKey
      await expect(connectTo(infoOf(sshd, { privateKey: other }))).rejects.toMatchObject({
        code: 'refused_credentials',
      })
    })

    test('a machine that knows nothing better than SHA-1 is reached only where that is allowed', async () => {
      await using stack = new AsyncDisposableStack()
      const old = await startSshd({ config: ['Ciphers aes128-ctr', 'MACs hmac-sha1'] })
      stack.defer(() => old.stop())
      await expect(connectTo(infoOf(old))).rejects.toMatchObject({
        code: 'unreachable',
        message: expect.stringContaining('weak_algorithms = true'),
      })
      expect((await run(await connectTo(infoOf(old), { weakAlgorithms: true }), 'echo in')).stdout).toBe('in\n')
    })

    test('another host key than the known one ends it at once', async () => {
      const other = (await newKeyPair()).publicKey
      await expect(connectTo(infoOf(sshd, { hostKeys: [other] }))).rejects.toMatchObject({ code: 'host_key_mismatch' })
    })
  })

  describe('commands', () => {
    test('exit codes and signals; output and errors apart', async () => {
      const connection = await connect()
      expect(await run(connection, 'echo out; echo err >&2; exit 3')).toEqual({
        stdout: 'out\n',
        stderr: 'err\n',
        status: { code: 3 },
      })
      expect(await run(connection, 'true')).toEqual({ stdout: '', stderr: '', status: { code: 0 } })
      expect((await run(connection, 'kill -KILL $$')).status).toEqual({ signal: 'KILL' })
    })

    test('the exit code comes although the command closed its output long before', async () => {
      const connection = await connect()
      expect((await run(connection, 'exec >&- 2>&-; sleep 0.2; exit 7')).status).toEqual({ code: 7 })
    })

    test('`exited` does not wait for what the command left behind, `closed` does', async () => {
      const connection = await connect()
      const output: Buffer[] = []
      const execution = await connection.exec('(sleep 0.3; echo late) & echo early; exit 5', {
        stdout: (chunk) => void output.push(chunk),
      })
      expect(await execution.exited).toEqual({ code: 5 })
      expect(Buffer.concat(output).toString()).not.toContain('late')
      expect(await execution.closed).toEqual({ code: 5 })
      expect(Buffer.concat(output).toString()).toBe('early\nlate\n')
    })

    test('100 at once on one connection take turns', async () => {
      const connection = await connect()
      const results = await Promise.all(Array.from({ length: 100 }, (_, index) => run(connection, `exit ${index}`)))
      expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, (_, code) => ({ code })))
    })

    test('a machine that allows fewer channels', async () => {
      const narrow = await startSshd({ maxSessions: 2 })
      try {
        const connection = await connectTo(infoOf(narrow))
        const results = await Promise.all(
          Array.from({ length: 6 }, (_, index) => run(connection, `sleep 0.05; exit ${index}`)),
        )
        expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, (_, code) => ({ code })))
        await connection.close()
      } finally {
        await narrow.stop()
      }
    })

    test('24 MB in and out at the same time, through several key exchanges', async () => {
      const connection = await connect()
      const data = randomBytes(24_000_000)
      const hash = createHash('sha256')
      const execution = await connection.exec('cat', { stdin: data, stdout: (chunk) => void hash.update(chunk) })
      expect(await execution.closed).toEqual({ code: 0 })
      expect(hash.digest('hex')).toBe(createHash('sha256').update(data).digest('hex'))
    })

    test('a sink that waits stops the command, and only that one', async () => {
      const connection = await connect()
      const gate = newGate()
      let received = 0
      const finished: Buffer[] = []
      const slow = await connection.exec('head -c 40000000 /dev/zero; echo finished >&2', {
        stdout: async (chunk) => {
          received += chunk.length
          await gate.opened
        },
        stderr: (chunk) => void finished.push(chunk),
      })
      // Whatever the other command moves meanwhile: the slow one's share stays within its window.
      expect((await run(connection, 'head -c 20000000 /dev/zero')).stdout.length).toBe(20_000_000)
      expect(received).toBeLessThan(200_000)
      expect(finished).toEqual([])
      gate.open()
      expect(await slow.closed).toEqual({ code: 0 })
      expect(received).toBe(40_000_000)
      expect(Buffer.concat(finished).toString()).toBe('finished\n')
    })

    test('standard input is taken no faster than the command reads it', async () => {
      const connection = await connect()
      const chunk = Buffer.alloc(1_000_000, 'x')
      let given = 0
      async function* source(): AsyncGenerator<Buffer> {
        for (; given < 30; given += 1) yield chunk
      }
      const ready = newGate()
      let counted = ''
      const execution = await connection.exec('echo ready; sleep 0.3; echo now; wc -c', {
        stdin: source(),
        stdout: (output) => {
          if (output.includes('now')) ready.open()
          counted += output.toString()
        },
      })
      await ready.opened
      expect(given).toBeLessThan(15)
      expect(await execution.closed).toEqual({ code: 0 })
      expect(counted).toBe('ready\nnow\n30000000\n')
    })

    test('a command that ends without reading its input', async () => {
      const connection = await connect()
      expect((await run(connection, 'exit 4', { stdin: Buffer.alloc(8_000_000) })).status).toEqual({ code: 4 })
      expect((await run(connection, 'echo still here')).stdout).toBe('still here\n')
    })

    test('signals reach the command, also after its input was closed', async () => {
      const connection = await connect()
      const trapped = await started(
        connection,
        `trap 'echo caught; exit 9' TERM; echo up; while :; do sleep 0.01; done`,
      )
      trapped.execution.kill('TERM')
      expect(await trapped.execution.closed).toEqual({ code: 9 })
      const plain = await started(connection, 'echo up; exec sleep 60')
      plain.execution.kill('INT')
      expect(await plain.execution.closed).toEqual({ signal: 'INT' })
    })

    test('aborting a command ends its channel and nothing else', async () => {
      const connection = await connect()
      const controller = new AbortController()
      const { execution } = await started(connection, 'echo up; exec sleep 60', { signal: controller.signal })
      const reason = new Error('enough')
      controller.abort(reason)
      await expect(execution.exited).rejects.toBe(reason)
      await expect(execution.closed).rejects.toBe(reason)
      expect((await run(connection, 'echo alive; pkill -f "sleep 60" -P $PPID || true')).stdout).toBe('alive\n')
    })
  })

  describe('a lost connection', () => {
    test('is told to every command at once, and is never an exit code', async () => {
      const connection = await connect()
      const { execution } = await started(connection, 'echo up; exec sleep 2')
      const queued = Array.from({ length: 12 }, () => connection.exec('sleep 2'))
      void Promise.allSettled(queued)
      for (const pid of sshd.connectionPids()) process.kill(pid, 'SIGKILL')
      await expect(execution.exited).rejects.toMatchObject({ code: 'connection_lost' })
      await expect(execution.closed).rejects.toMatchObject({ code: 'connection_lost' })
      for (const { status } of await Promise.allSettled(queued.slice(10))) expect(status).toBe('rejected')
      await expect(connection.exec('true')).rejects.toMatchObject({ code: 'connection_lost' })
      expect(connection.ended).toMatchObject({ code: 'connection_lost' })
    })

    test('a machine that stands still fails its check', async () => {
      const connection = await connect()
      await connection.check(5000)
      const pids = sshd.connectionPids()
      for (const pid of pids) process.kill(pid, 'SIGSTOP')
      const frozen = connection.check(100)
      await expect(frozen).rejects.toMatchObject({ code: 'connection_lost' })
      expect(connection.ended).toBeDefined()
      for (const pid of pids) process.kill(pid, 'SIGKILL')
    })
  })

  describe('a machine that stands still under a command', () => {
    const signalAll = (signal: NodeJS.Signals): void => {
      for (const pid of sshd.connectionPids()) process.kill(pid, signal)
    }
    const frozen = async (): Promise<{ clock: ManualClock; connection: Connection; execution: Execution }> => {
      const clock = new ManualClock()
      const connection = await createSshConnector({ connector: {}, clock }).connect(infoOf(sshd), never)
      open.push(connection)
      const { execution } = await started(connection, 'echo up; read line; exit 5', { stdin: untilEnd.stream() })
      signalAll('SIGSTOP')
      return { clock, connection, execution }
    }
    let untilEnd: { stream(): AsyncIterable<Buffer>; end(): void }
    beforeEach(() => {
      const gate = newGate()
      untilEnd = {
        async *stream() {
          await gate.opened
          yield Buffer.from('\n')
        },
        end: () => gate.open(),
      }
    })
    afterEach(() => {
      untilEnd.end()
      signalAll('SIGKILL')
    })

    test('is lost 20 s after it was last heard, although its kernel goes on', async () => {
      const { clock, connection, execution } = await frozen()
      await clock.advance(19_999)
      expect(connection.ended).toBeUndefined()
      await clock.advance(1)
      await expect(execution.exited).rejects.toMatchObject({ code: 'connection_lost' })
      expect(connection.ended).toMatchObject({ message: expect.stringContaining('no answer to 3 keep-alive requests') })
    })

    test('is not, when it goes on before that; the command never notices', async () => {
      const { clock, connection, execution } = await frozen()
      await clock.advance(19_999)
      signalAll('SIGCONT')
      await expect.poll(() => connection.lastHeardAt).toBe(clock.now())
      await clock.advance(19_999)
      expect(connection.ended).toBeUndefined()
      untilEnd.end()
      expect(await execution.closed).toEqual({ code: 5 })
    })
  })

  describe('tunnels', () => {
    let server: Server
    let socketDirectory: string
    let socketServer: Server
    beforeAll(async () => {
      socketDirectory = mkdtempSync(join(tmpdir(), 'tunnel-'))
      chmodSync(socketDirectory, 0o755)
      const answer = (): Server =>
        createServer(
          { allowHalfOpen: true },
          (socket) => void text(socket).then((got) => socket.end(`got ${got.length}`)),
        )
      server = answer()
      socketServer = answer()
      await Promise.all([
        new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)),
        new Promise<void>((resolve) => socketServer.listen(join(socketDirectory, 'sock'), resolve)),
      ])
      chmodSync(join(socketDirectory, 'sock'), 0o777)
    })
    afterAll(() => {
      server.close()
      socketServer.close()
      rmSync(socketDirectory, { recursive: true, force: true })
    })
    const portOf = (listener: Server): number => (listener.address() as { port: number }).port

    test.each(['tcp', 'unix'])('bytes both ways, over %s', async (kind) => {
      const connection = await connect()
      const target =
        kind === 'tcp' ? { host: '127.0.0.1', port: portOf(server) } : { socketPath: join(socketDirectory, 'sock') }
      const stream = await connection.dial(target)
      stream.end(Buffer.alloc(5_000_000))
      expect(await text(stream)).toBe('got 5000000')
    })

    test('nothing listens', async () => {
      const connection = await connect()
      await expect(connection.dial({ host: '127.0.0.1', port: 1 })).rejects.toMatchObject({ code: 'channel_refused' })
      await expect(connection.dial({ socketPath: '/nowhere' })).rejects.toMatchObject({ code: 'channel_refused' })
      await connection.check(5000)
    })

    test('a lost connection is an error of the stream, not its end', async () => {
      const connection = await connect()
      const stream = await connection.dial({ host: '127.0.0.1', port: portOf(server) })
      const failed = new Promise((resolve) => stream.once('error', resolve))
      for (const pid of sshd.connectionPids()) process.kill(pid, 'SIGKILL')
      expect(await failed).toMatchObject({ code: 'connection_lost' })
    })

    test('a connection through a connection', async () => {
      const bastion = await connect()
      const connector = createSshConnector({ connector: {}, dialTcp: (address) => bastion.dial(address) })
      const inner = await connector.connect(infoOf(sshd), never)
      expect((await run(inner, 'echo nested')).stdout).toBe('nested\n')
      await inner.close()
    })
  })
})

interface Result {
  readonly stdout: string
  readonly stderr: string
  readonly status: unknown
}

async function run(connection: Connection, command: string, options: ExecOptions = {}): Promise<Result> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  const execution = await connection.exec(command, {
    stdout: (chunk) => void stdout.push(chunk),
    stderr: (chunk) => void stderr.push(chunk),
    ...options,
  })
  const status = await execution.closed
  return { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), status }
}

/** Resolves when the command has printed something. */
async function started(
  connection: Connection,
  command: string,
  options: ExecOptions = {},
): Promise<{ execution: Execution }> {
  const up = newGate()
  const execution = await connection.exec(command, { ...options, stdout: () => up.open() })
  await up.opened
  return { execution }
}

async function startAgent(privateKey: string): Promise<{ readonly socket: string; stop(): void } | undefined> {
  const [agentPath, addPath] = ['/usr/bin/ssh-agent', '/usr/bin/ssh-add']
  if (!existsSync(agentPath) || !existsSync(addPath)) return undefined
  const directory = mkdtempSync(join(tmpdir(), 'agent-'))
  const socket = join(directory, 'agent')
  const agent = spawn(agentPath, ['-D', '-a', socket], { stdio: 'ignore' })
  await expect.poll(() => existsSync(socket), { interval: 5 }).toBe(true)
  execFileSync(addPath, ['-q', '-'], {
    input: privateKey,
    env: { SSH_AUTH_SOCK: socket },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  return {
    socket,
    stop() {
      agent.kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
