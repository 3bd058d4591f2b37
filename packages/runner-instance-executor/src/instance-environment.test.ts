import { ConnectionError, type ExitStatus, silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { ScriptEnd } from '@runner-core/job'
import { type Acquisition, InstanceLostError } from '@runner-core/taskscaler'
import { beforeEach, describe, expect, test } from 'vitest'
import { ScriptedConnection, settleable } from '../test/scripted-connection.ts'
import { OutputRelays } from './commands/output-relays.ts'
import { InstanceEnvironment } from './instance-environment.ts'
import { SpaceLooks } from './slots/space-looks.ts'

let clock: ManualClock
let connection: ScriptedConnection
let instance: AbortController
let acquisition: Acquisition
let environment: InstanceEnvironment
/** Why the instance is to get no more jobs. */
let condemned: string[]

beforeEach(() => {
  clock = new ManualClock()
  connection = new ScriptedConnection()
  instance = new AbortController()
  condemned = []
  acquisition = {
    key: 'job',
    instanceId: 'i-1',
    slot: 2,
    useCount: 1,
    isForContent: false,
    addContent: () => {},
    signal: instance.signal,
    ending: new AbortController().signal,
    condemn: (reason) => void condemned.push(reason),
    connect: async () => connection,
    [Symbol.asyncDispose]: async () => {},
  }
  environment = new InstanceEnvironment({
    acquisition,
    connection,
    shell: 'bash',
    buildsDir: 'builds',
    concurrentId: 3,
    jobMarker: { name: 'MARK', value: 'abc' },
    killGraceMs: 10_000,
    relays: new OutputRelays(clock),
    spaceLooks: new SpaceLooks({ minFreeBytes: 0, clock, logger: silentLogger }),
    loginPrints: new WeakMap(),
    clock,
    logger: silentLogger,
  })
})

interface Run {
  end?: ScriptEnd
  error?: unknown
  output: string
  abort(reason: Error): void
}

/** Runs a script whose last word is `end.`; nothing has ended when it returns. */
async function run(): Promise<Run> {
  const stop = new AbortController()
  const result: Run = { output: '', abort: (reason) => stop.abort(reason) }
  const stdout = (chunk: Buffer): void => {
    result.output += chunk.toString()
  }
  environment
    .run({
      script: Buffer.from('true'),
      nonce: 'abc123',
      stdout,
      stderr: stdout,
      isComplete: () => result.output.endsWith('end.'),
      signal: stop.signal,
    })
    .then(
      (end) => (result.end = end),
      (error) => (result.error = error),
    )
  await clock.advance(0)
  return result
}

describe('a script', () => {
  test('is sent on standard input, to a marked shell', async () => {
    await run()
    expect(connection.commands[0]!.command).toContain('MARK=abc')
    expect(connection.commands[0]!.options.stdin).toEqual(Buffer.from('true'))
  })

  test.each<[ExitStatus, ScriptEnd]>([
    [{ code: 0 }, { exitCode: 0 }],
    [{ code: 7 }, { exitCode: 7 }],
    [{ signal: 'KILL' }, { signal: 'KILL' }],
  ])('that ended with %j and said its last word is over, whatever holds its output', async (status, end) => {
    const result = await run()
    connection.commands[0]!.print('text end.')
    connection.commands[0]!.exit(status)
    await clock.advance(0)
    expect(result).toMatchObject({ end, output: 'text end.' })
    expect(connection.commands[0]!.isClosedByUs()).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  test('that ended is over as soon as its last word comes, not before', async () => {
    const result = await run()
    const [command] = connection.commands
    command!.exit({ code: 0 })
    await clock.advance(1_000)
    command!.print('much ')
    await clock.advance(500)
    expect(result.end).toBeUndefined()
    command!.print('text end.')
    await clock.advance(0)
    expect(result).toMatchObject({ end: { exitCode: 0 }, output: 'much text end.' })
    expect(clock.pendingTimers).toBe(0)
  })

  test('that was killed before its last word is over when its output is closed', async () => {
    const result = await run()
    connection.commands[0]!.exit({ signal: 'KILL' })
    connection.commands[0]!.close()
    await clock.advance(0)
    expect(result.end).toEqual({ signal: 'KILL' })
    expect(clock.pendingTimers).toBe(0)
  })

  test('that was killed before its last word is over after 10 s, though something goes on printing', async () => {
    const result = await run()
    connection.commands[0]!.exit({ signal: 'KILL' })
    for (let tick = 0; tick < 99; tick++) {
      await clock.advance(100)
      connection.commands[0]!.print('tick ')
    }
    expect(result.end).toBeUndefined()
    await clock.advance(100)
    expect(result.end).toEqual({ signal: 'KILL' })
    expect(connection.commands[0]!.isClosedByUs()).toBe(true)
  })
})

describe('a connection that ended before a script was accepted', () => {
  test('is replaced', async () => {
    connection.drop()
    const fresh = new ScriptedConnection()
    acquisition.connect = async () => fresh
    const result = await run()
    fresh.commands[0]!.print('end.')
    fresh.commands[0]!.exit({ code: 0 })
    await clock.advance(0)
    expect(result).toMatchObject({ end: { exitCode: 0 }, output: 'end.' })
    expect([condemned, clock.pendingTimers]).toEqual([[], 0])
  })

  test('and cannot be replaced is a loss', async () => {
    connection.drop()
    acquisition.connect = (signal) =>
      new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)))
    const result = await run()
    await clock.advance(29_999)
    expect(result.error).toBeUndefined()
    await clock.advance(1)
    expect(result.error).toMatchObject({ name: 'EnvironmentError', code: 'lost', cause: connection.ended })
  })
})

describe('a machine that is lost under a script', () => {
  test('because the connection ended: never an exit code, and nobody else gets it', async () => {
    const result = await run()
    connection.commands[0]!.exit({ code: 0 })
    connection.drop()
    await clock.advance(0)
    expect(result.error).toMatchObject({ name: 'EnvironmentError', code: 'lost', cause: connection.ended })
    expect((result.error as Error).message).toBe('instance i-1, slot 2 was lost: reset by peer')
    expect(condemned).not.toEqual([])
  })

  test('because its instance went, although the connection does not notice', async () => {
    const result = await run()
    const lost = new InstanceLostError('i-1', 'the cloud took it')
    instance.abort(lost)
    await clock.advance(0)
    expect(result.error).toMatchObject({ name: 'EnvironmentError', code: 'lost', cause: lost })
  })

  test('because the command ended without an exit status', async () => {
    const result = await run()
    connection.commands[0]!.fail(
      new ConnectionError('connection_lost', "the command's channel closed without an exit status"),
    )
    await clock.advance(0)
    expect(result.error).toMatchObject({ name: 'EnvironmentError', code: 'lost' })
    expect(condemned).not.toEqual([])
  })

  test('but a channel that it refuses is no loss', async () => {
    connection.refusal = new ConnectionError('channel_refused', '10 commands are running already')
    const result = await run()
    expect(result.error).toMatchObject({ name: 'EnvironmentError', code: 'failed', cause: connection.refusal })
    expect(condemned).toEqual([])
  })
})

describe('a script that is stopped', () => {
  const reason = new Error('canceled')

  test('is over when everything was ended; what it says until then is heard', async () => {
    const result = await run()
    result.abort(reason)
    await clock.advance(5_000)
    expect(result.error).toBeUndefined()
    expect(connection.commands.map(({ command }) => command).at(-1)).toBe('exec sh')
    connection.commands[0]!.print('asked to end')
    connection.commands[1]!.print('clean\n')
    connection.commands[1]!.exit({ code: 0 })
    await clock.advance(0)
    expect(result).toMatchObject({ error: reason, output: 'asked to end' })
    expect(condemned).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  test('is not over before everything was ended, though its shell is', async () => {
    const result = await run()
    result.abort(reason)
    await clock.advance(0)
    connection.commands[0]!.exit({ signal: 'TERM' })
    connection.commands[0]!.close()
    await clock.advance(5_000)
    expect([result.error, environment.isBusy]).toEqual([undefined, true])
    connection.commands[1]!.print('clean\n')
    connection.commands[1]!.exit({ code: 0 })
    await clock.advance(0)
    expect([result.error, environment.isBusy]).toEqual([reason, false])
  })

  test.each([['left 17\n'], ['']])(
    'and left something (%j): its own reason counts, and nobody else gets the machine',
    async (answer) => {
      connection.killAnswers.push(answer)
      const result = await run()
      result.abort(reason)
      await clock.advance(60_000)
      expect(result.error).toBe(reason)
      expect(condemned).not.toEqual([])
    },
  )

  test('on a machine that says nothing any more: over after a while, and nobody else gets it', async () => {
    const result = await run()
    result.abort(reason)
    await clock.advance(29_999)
    expect(result.error).toBeUndefined()
    await clock.advance(1)
    expect(result.error).toBe(reason)
    expect(condemned).not.toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  test('before the machine accepted it is not started afterwards', async () => {
    const accepting = settleable<void>()
    connection.accepting = accepting.promise
    connection.killAnswers.push('clean\n')
    const result = await run()
    result.abort(reason)
    accepting.resolve()
    await clock.advance(0)
    expect(connection.commands.map(({ command }) => command)).toEqual(['exec sh'])
    expect(result.error).toBe(reason)
  })

  test('before it began does not begin', async () => {
    await expect(
      environment.run({
        script: Buffer.from(''),
        nonce: 'abc123',
        stdout: () => {},
        stderr: () => {},
        isComplete: () => true,
        signal: AbortSignal.abort(reason),
      }),
    ).rejects.toBe(reason)
    expect(connection.commands).toEqual([])
  })
})

describe('killAll', () => {
  test('resolves when nothing is left', async () => {
    connection.killAnswers.push('clean\n')
    await environment.killAll()
    expect(condemned).toEqual([])
  })

  test('says what is left', async () => {
    connection.killAnswers.push('left 17 18\n')
    await expect(environment.killAll()).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('left 17 18'),
    })
    expect(condemned).not.toEqual([])
  })

  test('on a connection that is lost', async () => {
    connection.drop()
    await expect(environment.killAll()).rejects.toMatchObject({ name: 'EnvironmentError', code: 'lost' })
    expect(condemned).not.toEqual([])
  })
})

describe('a transfer of files', () => {
  interface Transfer {
    end?: ScriptEnd
    error?: unknown
    output: string
    abort(reason: Error): void
  }

  async function transfer(sinkError?: Error): Promise<Transfer> {
    const stop = new AbortController()
    const result: Transfer = { output: '', abort: (reason) => stop.abort(reason) }
    const stdout = (chunk: Buffer): void => {
      if (sinkError !== undefined) throw sinkError
      result.output += chunk.toString()
    }
    environment.transfer({ command: 'tar c x', stdout, stderr: () => {}, signal: stop.signal }).then(
      (end) => (result.end = end),
      (error) => (result.error = error),
    )
    await clock.advance(0)
    return result
  }

  test('runs marked, and has ended when all its output is there', async () => {
    const files = await transfer()
    const [tar] = connection.commands
    expect(tar?.command).toMatch(/^exec sh -c 'export MARK=abc;.*' sh 'tar c x'$/)
    tar?.exit({ code: 2 })
    tar?.print('late')
    await clock.advance(60_000)
    expect(files.end).toBeUndefined()
    tar?.close()
    await clock.advance(0)
    expect(files).toMatchObject({ end: { exitCode: 2 }, output: 'late' })
  })

  test('a stop ends every process of the job before it rejects', async () => {
    const files = await transfer()
    files.abort(new Error('canceled'))
    await clock.advance(0)
    const [tar, kill] = connection.commands
    expect(kill?.command).toBe('exec sh')
    expect(files.error).toBeUndefined()
    kill?.print('clean\n')
    kill?.exit({ code: 0 })
    tar?.fail(new Error('closed'))
    await clock.advance(0)
    expect(files.error).toMatchObject({ message: 'canceled' })
  })

  test('where the connection breaks under it, it is cut: there is another connection, and nothing of the job runs', async () => {
    const next = new ScriptedConnection()
    acquisition.connect = async () => next
    const files = await transfer()
    connection.drop()
    await clock.advance(0)
    expect(files.error).toBeUndefined()
    expect(next.commands[0]?.command).toBe('exec sh')
    next.commands[0]?.print('clean\n')
    next.commands[0]?.exit({ code: 0 })
    await clock.advance(0)
    expect(files.error).toMatchObject({ code: 'cut' })
    expect(condemned).toEqual([])
    await transfer()
    expect(next.commands[1]?.command).toContain('tar c x')
  })

  test('where no other connection comes, the machine is lost', async () => {
    acquisition.connect = () => Promise.reject(new ConnectionError('unreachable', 'no route'))
    const files = await transfer()
    connection.drop()
    await clock.advance(60_000)
    expect(files.error).toMatchObject({ code: 'lost' })
    expect(condemned).toEqual(['it was lost during the job'])
  })

  test('what a sink throws comes out as it is', async () => {
    const full = new Error('disk full')
    const files = await transfer(full)
    const [tar] = connection.commands
    expect(() => tar?.print('x')).toThrow(full)
    tar?.fail(full)
    await clock.advance(0)
    expect(files.error).toBe(full)
    expect(condemned).toEqual([])
  })
})
