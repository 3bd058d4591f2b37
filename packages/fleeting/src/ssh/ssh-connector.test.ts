import { getEventListeners } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import fc from 'fast-check'
import ssh2 from 'ssh2'
import { describe, expect, test, vi } from 'vitest'
import { eventually, MemorySshServer, memorySockets, newKey } from '../../test/memory-ssh-server.ts'
import type { Connection } from '../contract/connection.ts'
import { ConnectionError } from '../contract/errors.ts'
import type { ConnectInfo, ConnectorConfig } from '../contract/instance-group.ts'
import { silentLogger } from '../contract/logger.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import type { DialTcp } from './dial-tcp.ts'
import { createSshConnector, type SshConnectorOptions } from './ssh-connector.ts'
import { retryDelayMs } from './ssh-dialer.ts'

let hosts = 0
const freshInfo = (more: Partial<ConnectInfo> = {}): ConnectInfo => ({
  instanceId: 'i-1',
  protocol: 'ssh',
  // The queue of handshakes is per host and shared by the whole process.
  internalAddress: `host-${hosts++}`,
  username: 'ci',
  privateKey: newKey().privateKey,
  ...more,
})
const never = new AbortController().signal

interface Bench {
  readonly clock: ManualClock
  readonly connect: (info: ConnectInfo, signal?: AbortSignal) => Promise<Connection>
  readonly forget: (instanceId: string) => void
}
function bench(dialTcp: DialTcp, connector: ConnectorConfig = {}, more: Partial<SshConnectorOptions> = {}): Bench {
  const clock = new ManualClock()
  const made = createSshConnector({ connector, clock, random: () => 0, dialTcp, ...more })
  return {
    clock,
    connect: (info, signal = never) => made.connect(info, signal),
    forget: (instanceId) => made.forget(instanceId),
  }
}

/** Passes time until the promise settles: whatever has to happen at each moment has happened before the next. */
async function settledWhile<T>(
  clock: ManualClock,
  promise: Promise<T>,
  stepMs = 250,
): Promise<PromiseSettledResult<T>> {
  let result: PromiseSettledResult<T> | undefined
  void Promise.allSettled([promise]).then(([settled]) => (result = settled))
  for (let step = 0; result === undefined; step += 1) {
    if (step > 5000) throw new Error('it never settled')
    for (let turn = 0; turn < 30 && result === undefined; turn += 1) await clock.advance(0)
    if (result === undefined) await clock.advance(stepMs)
  }
  return result
}

/** Hands out these streams one after the other, then those of the server. */
function faulty(
  server: MemorySshServer,
  ...faults: ((near: Duplex, far: Duplex) => void)[]
): DialTcp & { opened: Duplex[] } {
  const opened: Duplex[] = []
  const dial: DialTcp = async (address, signal) => {
    const fault = faults.shift()
    if (fault === undefined) {
      const socket = await server.dialTcp(address, signal)
      opened.push(socket)
      return socket
    }
    const [near, far] = memorySockets()
    opened.push(near)
    fault(near, far)
    return near
  }
  return Object.assign(dial, { opened })
}
const silence = (_near: Duplex, far: Duplex): void => void far.resume()
const earlyClose = (near: Duplex): void => void setImmediate(() => near.destroy())
const maxStartupsDrop = (_near: Duplex, far: Duplex): void => void far.resume().end('Exceeded MaxStartups\r\n')
const closeAfterHeader = (near: Duplex, far: Duplex): void => {
  far.write('SSH-2.0-OpenSSH_9.2\r\n')
  far.once('data', () => near.destroy())
}
const reset = (near: Duplex, far: Duplex): void => {
  far.write('SSH-2.0-OpenSSH_9.2\r\n')
  far.once('data', () => near.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })))
}
const notSsh = (_near: Duplex, far: Duplex): void => void far.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')

describe('retries', () => {
  test.each(Object.entries({ silence, earlyClose, maxStartupsDrop, closeAfterHeader, reset, notSsh }))(
    'after %s',
    async (_name, fault) => {
      const server = new MemorySshServer()
      const dialTcp = faulty(server, fault, fault)
      const { clock, connect } = bench(dialTcp)
      const result = await settledWhile(clock, connect(freshInfo()))
      expect(result.status).toBe('fulfilled')
      expect(dialTcp.opened.map((socket) => socket.destroyed)).toEqual([true, true, false])
      if (result.status === 'fulfilled') await result.value.close()
      expect(clock.pendingTimers).toBeLessThanOrEqual(1)
      await clock.advance(1000)
      expect(clock.pendingTimers).toBe(0)
    },
  )

  test('all within one budget, with pauses, and the last error is told', async () => {
    const starts: number[] = []
    const { clock, connect } = bench(async () => {
      starts.push(clock.now())
      throw new Error('connect ECONNREFUSED')
    })
    const begin = clock.now()
    const result = await settledWhile(clock, connect(freshInfo({ internalAddress: 'booting:2222' })))
    expect(clock.now() - begin).toBe(600_000)
    expect(result).toMatchObject({
      reason: {
        code: 'unreachable',
        message: expect.stringMatching(/booting:2222 within 600 s: connect ECONNREFUSED/),
      },
    })
    const pauses = starts.slice(1).map((start, index) => start - starts[index]!)
    expect(pauses.slice(0, 6)).toEqual([250, 500, 1000, 2000, 3000, 3000])
    expect(new Set(pauses.slice(6))).toEqual(new Set([3000]))
    expect(clock.pendingTimers).toBe(0)
  })

  test('as the instance has it, where that is different from the rest of the fleet', async () => {
    const dialTcp: DialTcp = async () => {
      throw new Error('refused')
    }
    const { clock, connect } = bench(dialTcp, { protocolPort: 22, timeoutMs: 600_000, username: 'fleet' })
    const info = freshInfo({ internalAddress: 'own', connector: { protocolPort: 2222, timeoutMs: 1000 } })
    expect(await settledWhile(clock, connect(info))).toMatchObject({
      status: 'rejected',
      reason: { code: 'unreachable', message: 'instance i-1: no SSH connection to own:2222 within 1 s: refused' },
    })
  })

  test('what never speaks ends with the budget, although its own try could take longer', async () => {
    const dialTcp = faulty(new MemorySshServer(), silence, silence)
    const { clock, connect } = bench(dialTcp, { timeoutMs: 5000 })
    const begin = clock.now()
    expect(await settledWhile(clock, connect(freshInfo()))).toMatchObject({ reason: { code: 'unreachable' } })
    expect(clock.now() - begin).toBe(5000)
    expect(dialTcp.opened.map((socket) => socket.destroyed)).toEqual([true])
  })

  test('after what a tunnel reports, when the way leads through another connection', async () => {
    const server = new MemorySshServer()
    const errors = [
      new ConnectionError('channel_refused', 'Connection refused'),
      new ConnectionError('connection_lost', 'gone'),
    ]
    const { clock, connect } = bench(async (address, signal) => {
      const error = errors.shift()
      if (error !== undefined) throw error
      return server.dialTcp(address, signal)
    })
    expect((await settledWhile(clock, connect(freshInfo()))).status).toBe('fulfilled')
  })

  test('a TCP dial that hangs is given up and tried again', async () => {
    const server = new MemorySshServer()
    let hung = 0
    const { clock, connect } = bench((address, signal) => {
      if (hung++ > 0) return server.dialTcp(address, signal)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    expect((await settledWhile(clock, connect(freshInfo()))).status).toBe('fulfilled')
    expect(hung).toBe(2)
  })

  test('the pause is jittered downwards by half at most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, chance) => {
          const longest = Math.min(3000, 250 * 2 ** (attempt - 1))
          expect(retryDelayMs(attempt, () => chance)).toBeGreaterThan(longest / 2 - 1)
          expect(retryDelayMs(attempt, () => chance)).toBeLessThanOrEqual(longest)
        },
      ),
    )
  })
})

describe('ends at once', () => {
  test.each(['publickey', 'password'] as const)('when the %s is refused, without telling it', async (method) => {
    const server = new MemorySshServer({ authenticate: () => false })
    const { clock, connect } = bench(server.dialTcp)
    const info = method === 'publickey' ? freshInfo() : freshInfo({ privateKey: '', password: 'hush' })
    const begin = clock.now()
    const attempt = connect(info)
    await expect(attempt).rejects.toMatchObject({ code: 'refused_credentials', message: expect.stringContaining('ci') })
    await expect(attempt).rejects.not.toThrow(/hush/)
    expect([server.dials, clock.now() - begin, clock.pendingTimers]).toEqual([1, 0, 0])
    await eventually(() => server.openSockets === 0)
  })

  test('when the agent cannot be asked, saying so', async () => {
    const server = new MemorySshServer()
    const { connect } = bench(server.dialTcp)
    await expect(connect(freshInfo({ privateKey: '', agentSocket: '/nowhere/agent' }))).rejects.toMatchObject({
      code: 'refused_credentials',
      message: expect.stringMatching(/\(agent; agent: \w.*\)/),
    })
  })

  test('when the host key is another one', async () => {
    const server = new MemorySshServer()
    const { connect } = bench(server.dialTcp)
    const attempt = connect(freshInfo({ hostKeys: [newKey().publicKey] }))
    await expect(attempt).rejects.toMatchObject({
      code: 'host_key_mismatch',
      message: expect.stringMatching(/is ssh-ed25519 SHA256:.*expected ssh-ed25519 SHA256:/),
    })
    expect(server.dials).toBe(1)
    await eventually(() => server.openSockets === 0)
  })

  test('when no algorithm is shared', async () => {
    const server = new ssh2.Server({
      hostKeys: [newKey().privateKey],
      algorithms: { kex: ['diffie-hellman-group1-sha1'] },
    })
    server.on('connection', (client: ssh2.Connection) => client.on('error', () => {}))
    const { connect } = bench(async () => {
      const [near, far] = memorySockets()
      server.injectSocket(far as never)
      return near
    })
    await expect(connect(freshInfo())).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/no matching/),
    })
  })

  test('when the connect info has expired, before or meanwhile', async () => {
    const { clock, connect } = bench(async () => {
      throw new Error('connect ECONNREFUSED')
    })
    await expect(connect(freshInfo({ expiresAt: clock.wallTime() }))).rejects.toMatchObject({ code: 'expired' })
    const begin = clock.now()
    const result = await settledWhile(clock, connect(freshInfo({ expiresAt: clock.wallTime() + 60_000 })))
    expect(result).toMatchObject({ reason: { code: 'expired', cause: { message: 'connect ECONNREFUSED' } } })
    expect(clock.now() - begin).toBeLessThan(70_000)
  })
})

describe('host keys', () => {
  test('pinned at the first login, per instance, until forgotten', async () => {
    const [first, second] = [new MemorySshServer(), new MemorySshServer()]
    let server = first
    const { connect, forget } = bench((address, signal) => server.dialTcp(address, signal))
    await connect(freshInfo())
    server = second
    await expect(connect(freshInfo())).rejects.toMatchObject({ code: 'host_key_mismatch' })
    await connect(freshInfo({ instanceId: 'i-2' }))
    server = first
    await connect(freshInfo())
    forget('i-1')
    server = second
    await connect(freshInfo())
  })

  test('pinned for the next process too, where pins are kept', async () => {
    const hostKeyPins = new Map<string, string>()
    const [first, other] = [new MemorySshServer(), new MemorySshServer()]
    await bench(first.dialTcp, {}, { hostKeyPins }).connect(freshInfo())
    expect([...hostKeyPins]).toEqual([['i-1', first.hostKey]])
    const later = bench(other.dialTcp, {}, { hostKeyPins })
    await expect(later.connect(freshInfo())).rejects.toMatchObject({ code: 'host_key_mismatch' })
    later.forget('i-1')
    await later.connect(freshInfo())
  })

  test('what refused the login is not pinned', async () => {
    let server = new MemorySshServer({ authenticate: () => false })
    const { connect } = bench((address, signal) => server.dialTcp(address, signal))
    await expect(connect(freshInfo())).rejects.toMatchObject({ code: 'refused_credentials' })
    server = new MemorySshServer()
    await connect(freshInfo())
  })

  test('two first logins that see different keys are not both believed', async () => {
    const servers = [new MemorySshServer(), new MemorySshServer()]
    const { connect } = bench((address, signal) => servers.pop()!.dialTcp(address, signal))
    const settled = await Promise.allSettled([connect(freshInfo()), connect(freshInfo())])
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('strict: a known key or nothing', async () => {
    const server = new MemorySshServer()
    const { connect } = bench(server.dialTcp, { hostKeyChecking: 'strict' })
    await expect(connect(freshInfo())).rejects.toMatchObject({ code: 'invalid_config' })
    expect(server.openSockets).toBe(0)
    await connect(freshInfo({ hostKeys: [server.hostKey] }))
  })

  test('off: any key, with one warning', async () => {
    const warn = vi.fn()
    const { connect } = bench(
      (address, signal) => new MemorySshServer().dialTcp(address, signal),
      { hostKeyChecking: 'off' },
      { logger: { ...silentLogger, warn } },
    )
    await connect(freshInfo())
    await connect(freshInfo({ hostKeys: [newKey().publicKey] }))
    expect(warn).toHaveBeenCalledOnce()
  })

  test('a server with several keys, of which only the RSA one is known', async () => {
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 })
    const server = new MemorySshServer({ hostKeys: [newKey().privateKey, rsa.private] })
    await bench(server.dialTcp).connect(freshInfo({ hostKeys: [rsa.public] }))
  })
})

describe('logging in', () => {
  test('by password, where only keyboard-interactive is offered', async () => {
    const server = new MemorySshServer({
      authenticate: (context) => {
        if (context.method !== 'keyboard-interactive') {
          context.reject(['keyboard-interactive'])
          return new Promise(() => {})
        }
        return new Promise((resolve) =>
          context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => resolve(answers[0] === 'secret')),
        )
      },
    })
    await bench(server.dialTcp).connect(freshInfo({ privateKey: '', password: 'secret' }))
  })

  test('methods that the server does not offer are not tried on it', async () => {
    const tried: string[] = []
    const server = new MemorySshServer({
      authenticate: (context) => {
        tried.push(context.method)
        if (context.method === 'keyboard-interactive') return true
        context.reject(['keyboard-interactive'])
        return new Promise(() => {})
      },
    })
    await bench(server.dialTcp).connect(freshInfo({ password: 'secret' }))
    expect(tried).toEqual(['publickey', 'keyboard-interactive'])
  })

  test('at most 8 at a time for one host, counting all connectors', async () => {
    const gate: (() => void)[] = []
    const server = new MemorySshServer({ authenticate: () => new Promise((resolve) => gate.push(() => resolve(true))) })
    const info = freshInfo({ hostKeys: [server.hostKey] })
    const benches = [bench(server.dialTcp), bench(server.dialTcp)]
    let connected = 0
    for (let index = 0; index < 30; index += 1) void benches[index % 2]!.connect(info).then(() => (connected += 1))
    await eventually(() => {
      // One after the other, and never before as many wait as can.
      if (server.pending === Math.min(8, 30 - connected)) gate.shift()?.()
      return connected === 30
    })
    expect(server.maxPending).toBe(8)
  })

  test("Nagle's algorithm is off before the first byte is sent", async () => {
    const server = new ssh2.Server({ hostKeys: [newKey().privateKey] }, (client) =>
      client.on('authentication', (context) => context.accept()),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    const { port } = server.address() as { port: number }
    const sentBefore: number[] = []
    const connector = createSshConnector({
      connector: {},
      dialTcp: async () => {
        const socket = connectSocket(port, '127.0.0.1')
        await new Promise((resolve) => socket.once('connect', resolve))
        socket.setNoDelay = function (this: Socket, on): Socket {
          sentBefore.push(on ? this.bytesWritten : Number.NaN)
          return this
        }
        return socket
      },
    })
    const connection = await connector.connect(freshInfo(), never)
    expect(sentBefore).toEqual([0])
    await connection.close()
    server.close()
  })
})

describe('aborting', () => {
  const reason = new Error('enough')
  const stages: Record<
    string,
    { dialTcp: DialTcp; until: (server: MemorySshServer, clock: ManualClock) => Promise<void> }
  > = {}
  const inDial: DialTcp = (_address, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  stages['while dialling'] = { dialTcp: inDial, until: async () => {} }
  stages['while the machine is silent'] = { dialTcp: faulty(new MemorySshServer(), silence), until: async () => {} }
  const pending = new MemorySshServer({ authenticate: () => new Promise(() => {}) })
  stages['while logging in'] = { dialTcp: pending.dialTcp, until: () => eventually(() => pending.pending === 1) }
  const refuse: DialTcp = async () => Promise.reject(new Error('connect ECONNREFUSED'))
  stages['between two tries'] = {
    dialTcp: refuse,
    until: (_server, clock) => eventually(() => clock.pendingTimers === 2),
  }

  test.each(Object.entries(stages))('%s', async (_name, { dialTcp, until }) => {
    const server = pending
    const { clock, connect } = bench(dialTcp)
    const controller = new AbortController()
    const attempt = connect(freshInfo(), controller.signal)
    attempt.catch(() => {})
    await clock.advance(0)
    await until(server, clock)
    controller.abort(reason)
    await expect(attempt).rejects.toBe(reason)
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await eventually(() => server.openSockets === 0)
  })

  test('before anything, and while others log in to the same host', async () => {
    const server = new MemorySshServer({ authenticate: () => new Promise(() => {}) })
    const { connect } = bench(server.dialTcp)
    await expect(connect(freshInfo(), AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(server.dials).toBe(0)

    const info = freshInfo()
    const stop = new AbortController()
    const others = Array.from({ length: 8 }, () => connect(info, stop.signal))
    await eventually(() => server.pending === 8)
    const controller = new AbortController()
    const ninth = connect(info, controller.signal)
    controller.abort(reason)
    await expect(ninth).rejects.toBe(reason)
    expect(server.dials).toBe(8)
    stop.abort(reason)
    await Promise.allSettled(others)
    await eventually(() => server.openSockets === 0)
  })
})
