import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Clock } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, expect, test } from 'vitest'
import { AnswerWatch } from './answer-watch.ts'
import { Engine } from './engine.ts'

const never = new AbortController().signal
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})

type Answer = (response: ServerResponse) => void
const yes: Answer = (response) => void response.end('OK')
const no: Answer = (response) => void response.writeHead(500).end('{"message":"busy"}')
const nothing: Answer = () => {}
const broken: Answer = (response) => void response.destroy()

const intervalMs = 1000

/** An Engine that gives each answer once, and the last one for good; and who watches it. */
async function watch(answers: Answer[], signal: AbortSignal = never) {
  const manual = new ManualClock()
  let asked = 0
  let waits = 0
  const server = createServer(({ url }, response) => {
    if (url === '/version') return void response.end('{"ApiVersion":"1.41","Os":"linux","Arch":"amd64"}')
    asked++
    ;(answers.length > 1 ? answers.shift()! : answers[0]!)(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dial = async () => connect((server.address() as AddressInfo).port, '127.0.0.1')
  const clock: Clock = {
    now: () => manual.now(),
    wallTime: () => manual.wallTime(),
    after: (delayMs, callback) => {
      if (delayMs === intervalMs) waits++
      return manual.after(delayMs, callback)
    },
  }
  const engine = await Engine.open({ dial, clock, signal: never })
  const watching = new AnswerWatch(engine, { intervalMs, clock, signal })
  closing.push(() => {
    watching[Symbol.dispose]()
    engine.close()
    server.closeAllConnections()
    server.close()
  })
  return {
    watching,
    asked: () => asked,
    advance: (ms: number) => manual.advance(ms),
    timers: () => manual.pendingTimers,
    /** Resolves when it waits for the so manieth time. */
    waiting: (count: number) => expect.poll(() => waits).toBe(count),
  }
}

test('an Engine that answers, in whatever way, is asked again and again', async () => {
  const { watching, advance, waiting, asked, timers } = await watch([yes, no, yes])
  await advance(intervalMs - 1)
  expect(asked()).toBe(0)
  await advance(1)
  await waiting(2)
  for (const count of [3, 4]) {
    await advance(intervalMs)
    await waiting(count)
  }
  expect([asked(), watching.signal.aborted]).toEqual([3, false])
  watching[Symbol.dispose]()
  expect(timers()).toBe(0)
})

test('an Engine that does not answer in time is out of reach', async () => {
  const { watching, advance, waiting } = await watch([yes, nothing])
  await advance(intervalMs)
  await waiting(2)
  await advance(intervalMs)
  await advance(29_999)
  expect(watching.signal.aborted).toBe(false)
  await advance(1)
  await expect.poll(() => watching.signal.aborted).toBe(true)
  expect(watching.signal.reason).toMatchObject({
    name: 'EngineError',
    code: 'unreachable',
    message: 'asking whether it answers: no answer within 30 s',
  })
})

test('one connection that breaks is none of an Engine out of reach, two are', async () => {
  const { watching, advance, waiting, asked } = await watch([broken, yes, broken])
  await advance(intervalMs)
  await waiting(2)
  expect([asked(), watching.signal.aborted]).toEqual([2, false])
  await advance(intervalMs)
  await expect.poll(() => watching.signal.aborted).toBe(true)
  expect([asked(), watching.signal.reason]).toMatchObject([4, { code: 'unreachable' }])
})

test('its signal aborts with the one it was given', async () => {
  const given = new AbortController()
  const { watching } = await watch([yes], given.signal)
  given.abort(new Error('canceled'))
  expect(watching.signal.reason).toMatchObject({ message: 'canceled' })
})
