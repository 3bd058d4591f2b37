import { type Clock, GroupError, silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { beforeEach, expect, test } from 'vitest'
import type { InitResponse } from '../wire/messages.ts'
import type { PluginSession } from './plugin-session.ts'
import { restartDelayMs } from './restart-delay.ts'
import { Supervisor } from './supervisor.ts'

/** A process that a test ends. */
class FakeSession {
  readonly info: InitResponse
  readonly client = { close: () => {} }
  readonly ended: Promise<string>
  die: (how: string) => void = () => {}
  isEnded = false

  constructor(id = 'cloud/group') {
    this.info = { id, maxSize: 3, version: '1', buildInfo: '', capabilities: [] }
    this.ended = new Promise((resolve) => {
      this.die = resolve
    })
  }

  async end(): Promise<void> {
    this.isEnded = true
    this.die('exit code 0')
  }

  kill(): void {
    this.die('signal SIGKILL')
  }
}

const never = new AbortController().signal
let clock: ManualClock
let started: FakeSession[]
/** What the next starts do. Default: they work. */
let starts: (() => Promise<FakeSession>)[]

beforeEach(() => {
  clock = new ManualClock()
  started = []
  starts = []
})

function supervisor(): Supervisor {
  return new Supervisor({
    file: '/bin/fleeting-plugin-moon',
    environment: {},
    tls: 'off',
    startTimeoutMs: 1,
    callTimeoutMs: 1,
    clock: clock as Clock,
    logger: silentLogger,
    random: () => 1 - Number.EPSILON,
    request: { config: Buffer.from('{}'), settings: null },
    async start() {
      const session = await (starts.shift()?.() ?? Promise.resolve(new FakeSession()))
      started.push(session)
      return session as unknown as PluginSession
    },
  })
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

test('a plugin that ends is down until it is started again', async () => {
  const subject = supervisor()
  await subject.start(never)
  expect(subject.trouble).toBeUndefined()
  started[0]?.die('signal SIGSEGV')
  await settle()
  expect(subject.trouble).toBe('plugin fleeting-plugin-moon ended (signal SIGSEGV)')
  expect(() => subject.session).toThrow(expect.objectContaining({ code: 'transient', message: subject.trouble }))
  await clock.advance(499)
  expect(started).toHaveLength(1)
  await clock.advance(1)
  await settle()
  expect(started).toHaveLength(2)
  expect(subject.trouble).toBeUndefined()
  expect(subject.session).toBe(started[1])
})

test('the wait doubles while it does not stay up, and begins anew once it has', async () => {
  const subject = supervisor()
  await subject.start(never)
  const waits: number[] = []
  const dieAndWait = async (): Promise<void> => {
    const count = started.length
    started.at(-1)?.die('exit code 1')
    await settle()
    for (let waited = 0; ; waited += 250) {
      if (started.length > count) return void waits.push(waited)
      await clock.advance(250)
      await settle()
    }
  }
  for (let time = 0; time < 3; time += 1) await dieAndWait()
  await clock.advance(60_000)
  await dieAndWait()
  expect(waits).toEqual([500, 1000, 2000, 500])
})

test('a start that fails is tried again, and says why', async () => {
  const subject = supervisor()
  await subject.start(never)
  const refused = (): Promise<never> => Promise.reject(new GroupError('auth', 'token is expired'))
  starts = [refused, refused]
  started[0]?.die('exit code 2')
  await settle()
  await clock.advance(500)
  await settle()
  expect(subject.trouble).toBe('token is expired')
  await clock.advance(1000)
  await settle()
  expect(subject.trouble).toBe('token is expired')
  await clock.advance(2000)
  await settle()
  expect(subject.trouble).toBeUndefined()
})

test('one that comes back as another group is not used', async () => {
  const subject = supervisor()
  await subject.start(never)
  const stranger = new FakeSession('cloud/another')
  starts = [async () => stranger]
  started[0]?.die('exit code 0')
  await settle()
  await clock.advance(500)
  await settle()
  expect(await stranger.ended).toBe('signal SIGKILL')
  expect(subject.trouble).toContain('cloud/another')
  expect(() => subject.session).toThrow('cloud/another')
})

test('the first start that fails is thrown, and nothing is tried again', async () => {
  const subject = supervisor()
  starts = [() => Promise.reject(new GroupError('invalid_config', 'no such zone'))]
  await expect(subject.start(never)).rejects.toMatchObject({ code: 'invalid_config' })
  await clock.advance(600_000)
  expect(started).toEqual([])
})

test('close ends the process, and one that is down is not started again', async () => {
  const running = supervisor()
  await running.start(never)
  await running.close()
  expect(started[0]?.isEnded).toBe(true)
  await clock.advance(600_000)
  expect(started).toHaveLength(1)
  expect(running.trouble).toBeUndefined()

  const down = supervisor()
  await down.start(never)
  started[1]?.die('exit code 1')
  await settle()
  await down.close()
  await clock.advance(600_000)
  expect(started).toHaveLength(2)
})

test('close while it is being started again leaves nothing running', async () => {
  const subject = supervisor()
  await subject.start(never)
  const late = new FakeSession()
  let finish = (): void => {}
  starts = [() => new Promise((resolve) => (finish = () => resolve(late)))]
  started[0]?.die('exit code 1')
  await settle()
  await clock.advance(500)
  const closed = subject.close()
  finish()
  await closed
  expect(late.isEnded).toBe(true)
})

test('waits grow to a minute', () => {
  expect([1, 2, 3, 8, 30].map((failures) => restartDelayMs(failures, () => 0))).toEqual([
    250, 500, 1000, 30_000, 30_000,
  ])
  expect(restartDelayMs(1000, () => 1)).toBe(60_000)
})
