import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ExitStatus } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { ScriptedConnection } from '../test/scripted-connection.ts'
import type { OutputRelay } from './output-relay.ts'
import { OutputRelays } from './output-relays.ts'
import { runCommand } from './run-command.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const clock = new ManualClock()

/** A relay that stays while commands come and go. */
async function openRelay(connection: ScriptedConnection): Promise<OutputRelay> {
  const taking = new OutputRelays(clock).take(connection, { buildsDir: 'builds', limitBytes: 1e6 }, new AbortController().signal)
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

test.each(['alone', 'beside a relay that stays'])('a command %s leaves nothing behind when it has ended', async (how) => {
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
})
