import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ExitStatus, OutputSink } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { ScriptedConnection } from '../../test/scripted-connection.ts'
import type { OutputRelay } from './output-relay.ts'
import { OutputRelays } from './output-relays.ts'
import { runCommand } from './run-command.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const clock = new ManualClock()

/** A relay that stays while commands come and go. */
async function openRelay(connection: ScriptedConnection): Promise<OutputRelay> {
  const taking = new OutputRelays(clock).take(
    connection,
    { buildsDir: 'builds', limitBytes: 1e6 },
    new AbortController().signal,
  )
  await clock.advance(0)
  const [command] = connection.commands
  for await (const script of command!.options.stdin as AsyncIterable<Buffer>) {
    const [, name] = /\\036([0-9a-f]{24}) relay/.exec(script.toString())!
    command!.print(`\x1e${name} relay\x1e`)
    break
  }
  return (await taking)!
}

/** Runs a command: what it came to, weakly held. */
async function run(connection: ScriptedConnection, relay: OutputRelay | undefined): Promise<WeakRef<ExitStatus>> {
  const running = runCommand(connection, {
    command: 'true',
    script: Buffer.alloc(0),
    stdout() {},
    isComplete: () => true,
    ...(relay !== undefined && { relay: { via: relay, relayed() {} } }),
    clock,
    signal: new AbortController().signal,
  })
  await clock.advance(0)
  connection.commands.pop()!.exit({ code: 0 })
  return new WeakRef(await running)
}

test.each(['alone', 'beside a relay that stays'])(
  'a command %s leaves nothing behind when it has ended',
  async (how) => {
    const connection = new ScriptedConnection()
    const relay = how === 'alone' ? undefined : await openRelay(connection)
    const ends: WeakRef<ExitStatus>[] = []
    for (let count = 0; count < 20; count++) ends.push(await run(connection, relay))
    await clock.advance(0)
    // What a WeakRef was asked for lives until the end of its turn.
    await new Promise((resolve) => setImmediate(resolve))
    gc()
    expect(ends.slice(0, -1).filter((end) => end.deref() !== undefined)).toHaveLength(0)
    expect(relay?.isUsable).not.toBe(false)
  },
)

/** A command that has ended, and whose output is on its way beside it. */
async function endedCommand(relayed: OutputSink, isComplete: () => boolean) {
  const connection = new ScriptedConnection()
  const relay = await openRelay(connection)
  const relayCommand = connection.commands[0]!
  let isOver = false
  const running = runCommand(connection, {
    command: 'true',
    script: Buffer.alloc(0),
    stdout() {},
    isComplete,
    relay: { via: relay, relayed },
    clock,
    signal: new AbortController().signal,
  }).finally(() => {
    isOver = true
  })
  await clock.advance(0)
  connection.commands[1]!.exit({ code: 0 })
  await clock.advance(0)
  return { print: (text: string) => relayCommand.print(text), running, isOver: () => isOver }
}

test('output that takes longer on its way than its command lived is heard to its last word', async () => {
  let heard = ''
  const { print, running, isOver } = await endedCommand(
    (chunk) => {
      heard += chunk.toString()
    },
    () => heard.endsWith('end'),
  )
  for (let count = 0; count < 10; count++) {
    await clock.advance(900)
    print('more, ')
  }
  expect(isOver()).toBe(false)
  print('end')
  await running
  expect(heard).toBe(`${'more, '.repeat(10)}end`)
})

test('output that is slow to be taken here is no silence', async () => {
  let take = (): void => {}
  let isTaken = false
  const { print, running, isOver } = await endedCommand(
    async () => {
      await new Promise<void>((resolve) => {
        take = resolve
      })
      isTaken = true
    },
    () => isTaken,
  )
  print('end')
  await clock.advance(50_000)
  expect(isOver()).toBe(false)
  take()
  await running
})

test('a command without a last word is over after two seconds of silence, and in a minute whatever is printed by what it left (ten seconds where it was killed)', async () => {
  const silent = await endedCommand(
    () => {},
    () => false,
  )
  await clock.advance(1_999)
  expect(silent.isOver()).toBe(false)
  await clock.advance(1)
  await silent.running
  const noisy = await endedCommand(
    () => {},
    () => false,
  )
  for (let count = 0; count < 59; count++) {
    noisy.print('still here')
    await clock.advance(1_000)
  }
  expect(noisy.isOver()).toBe(false)
  noisy.print('still here')
  await clock.advance(1_000)
  await noisy.running
})
