import { getEventListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { ServerChannel } from 'ssh2'
import { describe, expect, test, vi } from 'vitest'
import {
  eventually,
  finish,
  MemorySshServer,
  type MemorySshServerOptions,
  newGate,
  newKey,
  quiet,
} from '../../test/memory-ssh-server.ts'
import type { Clock } from '../contract/clock.ts'
import type { Connection, Execution } from '../contract/connection.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createSshConnector } from './ssh-connector.ts'

interface Bench {
  readonly server: MemorySshServer
  readonly clock: ManualClock
  readonly connection: Connection
  /** The channels that commands were started on. */
  readonly channels: ServerChannel[]
}

/** A connection to a machine whose commands run until the test ends them. */
async function bench(options: MemorySshServerOptions & { clock?: Clock } = {}): Promise<Bench> {
  const channels: ServerChannel[] = []
  const server = new MemorySshServer({ exec: (_command, channel) => void channels.push(channel), ...options })
  const clock = new ManualClock()
  const connector = createSshConnector({ connector: {}, clock: options.clock ?? clock, dialTcp: server.dialTcp })
  const info = {
    instanceId: 'i-1',
    protocol: 'ssh',
    internalAddress: `host-${Math.random()}`,
    username: 'ci',
    privateKey: newKey().privateKey,
  } as const
  const connection = await connector.connect(info, new AbortController().signal)
  return { server, clock, connection, channels }
}
const lost = expect.objectContaining({ code: 'connection_lost' })
const enough = new Error('enough')
const keepalive = 'keepalive@openssh.com'

describe('how a command ends', () => {
  test('a channel that closes without an exit status is a failure, not an exit code', async () => {
    const { connection, channels } = await bench()
    const execution = await connection.exec('anything')
    channels[0]!.write('output')
    channels[0]!.end()
    await expect(execution.exited).rejects.toEqual(lost)
    await expect(execution.closed).rejects.toEqual(lost)
    expect(connection.ended).toBeUndefined()
  })

  test("signals have the system's names without SIG, both ways", async () => {
    const { connection, server, channels } = await bench()
    const execution = await connection.exec('anything')
    execution.kill('TERM')
    await connection.check(1000)
    expect(server.received('signal: TERM')).toBe(1)
    expect(() => execution.kill('BOIL')).toThrow(/BOIL/)
    channels[0]!.exit('KILL')
    channels[0]!.end()
    expect(await execution.exited).toEqual({ signal: 'KILL' })
    expect(await execution.closed).toEqual({ signal: 'KILL' })
    execution.kill('TERM')
    execution.close()
  })

  test('what the machine sent completely is delivered, although the connection is lost meanwhile', async () => {
    const { connection, server, channels, clock } = await bench()
    const gate = newGate()
    const received: string[] = []
    const execution = await connection.exec('anything', {
      stdout: async (chunk) => {
        received.push(chunk.toString())
        await gate.opened
      },
    })
    channels[0]!.write('one ')
    await eventually(() => received.length === 1)
    channels[0]!.write('two')
    finish(channels[0]!, 3)
    expect(await execution.exited).toEqual({ code: 3 })
    await connection.check(1000)
    server.cut()
    await eventually(() => connection.ended !== undefined)
    gate.open()
    expect(await execution.closed).toEqual({ code: 3 })
    expect(received.join('')).toBe('one two')
    expect(clock.pendingTimers).toBe(0)
  })

  test('a lost connection before that is no end of the output, also when the exit code is known', async () => {
    const { connection, server, channels } = await bench()
    const execution = await connection.exec('anything')
    channels[0]!.exit(0)
    expect(await execution.exited).toEqual({ code: 0 })
    server.cut()
    await expect(execution.closed).rejects.toEqual(lost)
    expect(await execution.exited).toEqual({ code: 0 })
  })

  test('nobody has to listen to a lost connection', async () => {
    const { connection, server, channels } = await bench()
    await connection.exec('anything')
    void connection.check(1000).catch(() => {})
    const unhandled = vi.fn()
    process.once('unhandledRejection', unhandled)
    server.cut()
    await eventually(() => connection.ended !== undefined)
    await quiet()
    process.removeListener('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(channels).toHaveLength(1)
  })
})

describe('ending a command from this side', () => {
  test.each<[string, (connection: Connection) => ReturnType<Connection['exec']>]>([
    [
      'a sink that throws',
      (connection) =>
        connection.exec('print', {
          stdout: () => {
            throw enough
          },
        }),
    ],
    ['a sink that rejects', (connection) => connection.exec('print', { stderr: () => Promise.reject(enough) })],
    ['an input that fails', (connection) => connection.exec('print', { stdin: failing() })],
  ])('%s', async (_name, start) => {
    const { connection, server } = await bench({
      exec: (_command, channel) => {
        channel.write('out')
        channel.stderr.write('err')
      },
    })
    const execution = await start(connection)
    await expect(execution.exited).rejects.toBe(enough)
    await expect(execution.closed).rejects.toBe(enough)
    await eventually(() => server.openChannels === 0)
    await connection.check(1000)
  })

  test('closing it', async () => {
    const { connection, server } = await bench()
    const execution = await connection.exec('anything')
    execution.close()
    execution.close()
    await expect(execution.exited).rejects.toMatchObject({ name: 'AbortError' })
    await expect(execution.closed).rejects.toMatchObject({ name: 'AbortError' })
    await eventually(() => server.openChannels === 0)
  })

  test('aborting before it was started, while it is being started, and after', async () => {
    const { connection, server, channels } = await bench()
    await expect(connection.exec('anything', { signal: AbortSignal.abort(enough) })).rejects.toBe(enough)
    expect(server.openChannels).toBe(0)

    const early = new AbortController()
    const starting = connection.exec('anything', { signal: early.signal })
    early.abort(enough)
    await expect(starting).rejects.toBe(enough)
    await eventually(() => channels.length === 1)
    await eventually(() => server.openChannels === 0)

    const unused = new AbortController()
    const finished = await connection.exec('anything', { signal: unused.signal })
    finish(channels.at(-1)!, 0)
    await finished.closed
    expect(getEventListeners(unused.signal, 'abort')).toEqual([])

    const late = new AbortController()
    const execution = await connection.exec('anything', { signal: late.signal, stdin: forever() })
    late.abort(enough)
    await expect(execution.closed).rejects.toBe(enough)
    await eventually(() => server.openChannels === 0)
  })
})

describe('back-pressure', () => {
  test.each(['ends', 'is closed'])('an input that the command does not read is let go when it %s', async (how) => {
    const { connection, channels } = await bench()
    let released = false
    async function* source(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.alloc(1_000_000)
      } finally {
        released = true
      }
    }
    const execution = await connection.exec('anything', { stdin: source() })
    await quiet()
    expect(released).toBe(false)
    if (how === 'ends') finish(channels[0]!, 0)
    else execution.close()
    await eventually(() => released)
  })

  test('a command given up while its sink waits gives nothing more, and frees its channel', async () => {
    const { connection, server } = await bench({
      exec: (_command, channel) => {
        channel.write('first')
        channel.write('second')
      },
    })
    const received: string[] = []
    for (let time = 1; time <= 25; time += 1) {
      const execution = await connection.exec('anything', {
        stdout: (chunk) => {
          received.push(chunk.toString())
          return new Promise(() => {})
        },
      })
      await eventually(() => received.length === time)
      await quiet()
      execution.close()
    }
    await eventually(() => server.openChannels === 0)
    await quiet()
    expect(new Set(received)).toEqual(new Set(['first']))
  })

  test('a tunnel that nobody reads is filled no further', async () => {
    const { connection } = await bench({ forward: (channel) => void channel.end(Buffer.alloc(8_000_000)) })
    const tunnel = await connection.dial({ host: 'inside', port: 1 })
    await quiet()
    expect(tunnel.readableLength).toBeGreaterThan(0)
    expect(tunnel.readableLength).toBeLessThan(200_000)
    expect((await buffer(tunnel)).length).toBe(8_000_000)
    await connection.close()
  })
})

test('destroying a tunnel closes it on the machine, and nothing else', async () => {
  const tunnels: ServerChannel[] = []
  const closed = vi.fn()
  const { connection } = await bench({ forward: (channel) => void tunnels.push(channel.on('close', closed).resume()) })
  const tunnel = await connection.dial({ host: 'inside', port: 1 })
  tunnel.destroy()
  await eventually(() => closed.mock.calls.length === 1)
  await connection.check(1000)
  expect(tunnels).toHaveLength(1)
})

describe('channels', () => {
  test('the eleventh command waits for one of ten to end', async () => {
    const { connection, channels } = await bench()
    await Promise.all(Array.from({ length: 10 }, () => connection.exec('anything')))
    const eleventh = connection.exec('anything')
    await connection.check(1000)
    expect(channels).toHaveLength(10)
    finish(channels[3]!, 0)
    await eleventh
    expect(channels).toHaveLength(11)
  })

  test('for ten seconds, until it is aborted, or the connection is lost', async () => {
    const { connection, clock, server } = await bench()
    await Promise.all(Array.from({ length: 10 }, () => connection.exec('anything')))
    const controller = new AbortController()
    const refused = connection.exec('anything')
    refused.catch(() => {})
    await clock.advance(9999)
    const aborted = connection.exec('anything', { signal: controller.signal })
    controller.abort(enough)
    await expect(aborted).rejects.toBe(enough)
    await clock.advance(1)
    await expect(refused).rejects.toMatchObject({
      code: 'channel_refused',
      message: expect.stringMatching(/10 commands/),
    })
    const cut = connection.exec('anything')
    server.cut()
    await expect(cut).rejects.toEqual(lost)
  })

  test('a machine that refuses to start a command keeps no channel', async () => {
    const { connection, server } = await bench({ accepts: (command) => command !== 'refused' })
    const running = await connection.exec('anything')
    for (let time = 0; time < 30; time += 1) {
      await expect(connection.exec('refused')).rejects.toMatchObject({ code: 'channel_refused' })
    }
    await eventually(() => server.openChannels === 1)
    await connection.exec('anything')
    running.close()
    await expect(running.closed).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('signs of life', () => {
  test('a silent machine is asked, and lost when it does not answer', async () => {
    const { connection, clock, server } = await bench()
    for (let asked = 1; asked <= 50; asked += 1) {
      await clock.advance(30_000)
      await quiet()
      expect(server.received(keepalive)).toBe(asked)
    }
    server.freeze()
    await clock.advance(44_999)
    expect(connection.ended).toBeUndefined()
    await clock.advance(1)
    expect(connection.ended).toEqual(lost)
    await expect(connection.exec('anything')).rejects.toEqual(lost)
    expect(clock.pendingTimers).toBe(0)
  })

  test.each<[string, (connection: Connection) => Promise<unknown>]>([
    ['a command', (connection) => connection.exec('anything')],
    ['a tunnel', (connection) => connection.dial({ host: 'inside', port: 1 })],
  ])('under %s it is lost 20 s after it was last heard', async (_name, start) => {
    const { connection, clock, server } = await bench({ forward: (channel) => void channel.resume() })
    const started = (await start(connection)) as Partial<Execution & Duplex>
    const failed =
      started.exited?.catch((error: unknown) => error) ?? new Promise((resolve) => started.once?.('error', resolve))
    for (let asked = 1; asked <= 50; asked += 1) {
      await clock.advance(5000)
      await quiet()
      expect(server.received(keepalive)).toBe(asked)
    }
    server.freeze()
    await clock.advance(19_999)
    expect(connection.ended).toBeUndefined()
    await clock.advance(1)
    expect(connection.ended).toEqual(lost)
    expect(await failed).toEqual(lost)
    expect(clock.pendingTimers).toBe(0)
  })

  test('nor does one that dies while it accepts a command hold that up for longer', async () => {
    const { connection, clock, server } = await bench()
    server.freeze()
    const accepting = connection.exec('anything')
    accepting.catch(() => {})
    await clock.advance(20_000)
    await expect(accepting).rejects.toEqual(lost)
  })

  test('what is over is not in use any more: commands that ended, were refused, or given up, and tunnels', async () => {
    const { connection, clock, server, channels } = await bench({
      accepts: (command) => command !== 'refused',
      forward: (channel) => void channel.resume().end(),
    })
    await connection.exec('anything')
    finish(channels[0]!, 0)
    await expect(connection.exec('refused')).rejects.toThrow()
    const given = await connection.exec('anything')
    given.close()
    const tunnel = await connection.dial({ host: 'inside', port: 1 })
    tunnel.resume().end()
    await eventually(() => server.openChannels === 0 && tunnel.destroyed)
    await quiet()
    await clock.advance(29_999)
    expect(server.received(keepalive)).toBe(0)
  })

  test('a machine that talks is not asked', async () => {
    const { connection, clock, server, channels } = await bench()
    const heard: Buffer[] = []
    await connection.exec('anything', { stdout: (chunk) => void heard.push(chunk) })
    for (let time = 1; time <= 20; time += 1) {
      await clock.advance(4999)
      channels[0]!.write('.')
      await eventually(() => heard.length === time)
    }
    expect(server.received(keepalive)).toBe(0)
  })

  test('a check is one round trip, and its failure is the end', async () => {
    const { connection, clock, server } = await bench()
    const heardAt = connection.lastHeardAt!
    await clock.advance(5000)
    await Promise.all([connection.check(1000), connection.check(1000)])
    expect(connection.lastHeardAt).toBe(heardAt + 5000)
    expect(server.received(keepalive)).toBe(2)
    server.freeze()
    const ends: Error[] = []
    connection.onEnd((reason) => ends.push(reason))
    const check = connection.check(1000)
    const other = connection.check(9000)
    for (const promise of [check, other]) promise.catch(() => {})
    await clock.advance(1000)
    await expect(check).rejects.toEqual(lost)
    await expect(other).rejects.toEqual(lost)
    connection.onEnd((reason) => ends.push(reason))
    expect(ends).toEqual([lost, lost])
    expect(clock.pendingTimers).toBe(0)
  })

  test('a check that fails ends no work: the connection only goes when that is over', async () => {
    const { connection, server, clock, channels } = await bench()
    const output: Buffer[] = []
    const execution = await connection.exec('anything', { stdout: (chunk) => void output.push(chunk) })
    server.freeze()
    const check = connection.check(5000)
    check.catch(() => {})
    await clock.advance(5000)
    await expect(check).rejects.toEqual(lost)
    expect(connection.ended).toBeUndefined()
    server.thaw()
    channels[0]!.write('all of it')
    finish(channels[0]!, 0)
    expect(await execution.closed).toEqual({ code: 0 })
    expect(Buffer.concat(output).toString()).toBe('all of it')
    await eventually(() => connection.ended !== undefined)
    await eventually(() => server.openSockets === 0)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('closing', () => {
  test('ends everything on it, once', async () => {
    const { connection, server } = await bench()
    const execution = await connection.exec('anything')
    const ended = vi.fn()
    connection.onEnd(ended)
    await Promise.all([connection.close(), connection.close()])
    await expect(execution.exited).rejects.toEqual(lost)
    await expect(connection.check(1000)).rejects.toEqual(lost)
    await expect(connection.dial({ host: 'x', port: 1 })).rejects.toEqual(lost)
    expect(ended).toHaveBeenCalledOnce()
    expect(server.openSockets).toBe(0)
  })

  test('does not wait for a machine that does not answer', async () => {
    const { connection, server, clock } = await bench()
    server.freeze()
    const closing = connection.close()
    await clock.advance(1000)
    await closing
    expect(server.openSockets).toBe(0)
  })
})

async function* failing(): AsyncGenerator<Buffer> {
  yield Buffer.from('some')
  throw enough
}

async function* forever(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.alloc(100_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
