import { ConnectionError } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { beforeEach, expect, test } from 'vitest'
import { ScriptedConnection } from '../../test/scripted-connection.ts'
import type { OutputRelay } from './output-relay.ts'
import { OutputRelays } from './output-relays.ts'

let clock: ManualClock
let connection: ScriptedConnection
let relays: OutputRelays
const place = { buildsDir: 'builds', limitBytes: 100 }
const signal = new AbortController().signal

beforeEach(() => {
  clock = new ManualClock()
  connection = new ScriptedConnection()
  relays = new OutputRelays(clock)
})

/** What the machine would say; `commands` counts those of relays. */
async function take(answer = 'relay'): Promise<OutputRelay | undefined> {
  const known = connection.commands.length
  const taking = relays.take(connection, place, signal)
  await new Promise((resolve) => setImmediate(resolve))
  const command = connection.commands[known]
  if (command === undefined) return await taking
  const script = Buffer.from(await firstOf(command.options.stdin as AsyncIterable<Buffer>)).toString()
  const [, name] = /\\036([0-9a-f]{24}) relay/.exec(script)!
  command.print(`\x1e${name} ${answer}\x1e`)
  return await taking
}

async function firstOf(input: AsyncIterable<Buffer>): Promise<Buffer> {
  for await (const chunk of input) return chunk
  throw new Error('nothing')
}

test('one that a job gave back serves the next', async () => {
  const relay = await take()
  relays.giveBack(connection, 'builds', relay!, true)
  expect(await take()).toBe(relay)
  expect(connection.commands).toHaveLength(1)
})

const lost = new ConnectionError('connection_lost', 'reset')
test.each<[string, () => void]>([
  ['says what is nobody’s', () => connection.commands[0]!.print('stray')],
  [
    'complains that it cannot keep all',
    () => void connection.commands[0]!.options.stderr?.(Buffer.from('no space left')),
  ],
  ['was ended by its machine', () => connection.commands[0]!.close()],
  ['lost its connection', () => connection.commands[0]!.fail(lost)],
])('one that %s serves nobody any more', async (_, act) => {
  const relay = await take()
  relays.giveBack(connection, 'builds', relay!, true)
  act()
  await new Promise((resolve) => setImmediate(resolve))
  expect(await take()).not.toBe(relay)
})

test('one that kept as much as it may, or whose job left something, serves nobody any more', async () => {
  const full = await take()
  const stop = full!.listen(
    () => {},
    () => {},
  )
  connection.commands[0]!.print('x'.repeat(100))
  stop()
  relays.giveBack(connection, 'builds', full!, true)
  const other = await take()
  expect(other).not.toBe(full)
  relays.giveBack(connection, 'builds', other!, false)
  expect(await take()).not.toBe(other)
})

test('one that did not keep all and then lost its connection left what it kept; one that was ended did not', async () => {
  const relay = await take()
  void connection.commands[0]!.options.stderr?.(Buffer.from('no space left'))
  connection.commands[0]!.fail(lost)
  await clock.advance(0)
  expect(relay!.isLost).toBe(true)
  const ended = await take()
  relays.giveBack(connection, 'builds', ended!, false)()
  connection.commands[1]!.close()
  await clock.advance(0)
  expect(ended!.isLost).toBe(false)
})

test('one for other builds is another', async () => {
  const relay = await take()
  relays.giveBack(connection, 'elsewhere', relay!, true)
  expect(await take()).not.toBe(relay)
})

test('nobody needs it for a second: it is ended', async () => {
  const relay = await take()
  relays.giveBack(connection, 'builds', relay!, true)()
  await clock.advance(1000)
  expect(relay!.isUsable).toBe(false)
  expect(await take()).not.toBe(relay)
})

test('what it kept of a job stays until the next process would know how the job ended', async () => {
  const relay = await take()
  const settle = relays.giveBack(connection, 'builds', relay!, true)
  await clock.advance(60_000)
  expect(relay!.isUsable).toBe(true)
  settle()
  await clock.advance(1000)
  expect(relay!.isUsable).toBe(false)
  const unclean = await take()
  const settleUnclean = relays.giveBack(connection, 'builds', unclean!, false)
  await clock.advance(60_000)
  expect(unclean!.isUsable).toBe(true)
  expect(await take()).not.toBe(unclean)
  settleUnclean()
  expect(unclean!.isUsable).toBe(false)
})

test('one whose job may be needed yet loses its connection at the end, and not what it kept', async () => {
  const relay = await take()
  relays.giveBack(connection, 'builds', relay!, false)
  const ended = relays.ended()
  expect(relay!.isLost).toBe(true)
  await ended
})

test('a machine that cannot have one is asked once for each connection', async () => {
  expect(await take('attached')).toBeUndefined()
  expect(await take()).toBeUndefined()
  expect(connection.commands).toHaveLength(1)
})

test('a connection without room for another command has none', async () => {
  connection.refusal = new ConnectionError('channel_refused', 'no more sessions')
  expect(await relays.take(connection, place, signal)).toBeUndefined()
})

test('a lost connection is told', async () => {
  connection.ended = new ConnectionError('connection_lost', 'reset')
  await expect(relays.take(connection, place, signal)).rejects.toMatchObject({ code: 'connection_lost' })
})
