import { ManualClock } from '@runner-core/fleeting/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { ScriptedConnection } from '../../test/scripted-connection.ts'
import { DetachedRun } from './detached-run.ts'
import { OutputRelay } from './output-relay.ts'

const mark = (nonce: string, body: string): string => `\x1e${nonce} ${body}\x1e`

let clock: ManualClock
let connection: ScriptedConnection
beforeEach(() => {
  clock = new ManualClock()
  connection = new ScriptedConnection()
})

async function openRelay(): Promise<OutputRelay> {
  const options = { buildsDir: 'builds', limitBytes: 1000, name: 'relay1', clock }
  const opening = OutputRelay.open(connection, options, new AbortController().signal)
  await clock.advance(0)
  connection.commands[0]!.print(mark('relay1', 'relay'))
  return (await opening)!
}

/** A script each of whose starts, and each attempt to follow it, comes to what a test says. */
async function run(answers: {
  readonly start: string
  readonly follow: string
  readonly resumed?: { readonly mayStart: () => boolean }
}) {
  const relay = await openRelay()
  const result = { starts: 0, follows: 0, said: '', error: undefined as unknown }
  const exec = connection.exec.bind(connection)
  connection.exec = async (command, options) => {
    const execution = await exec(command, options)
    result.follows++
    connection.commands.at(-1)!.print(mark('nonce1', answers.follow))
    return execution
  }
  const detached = new DetachedRun(
    {
      script: { buildsDir: 'builds', jobMarker: { name: 'MARK', value: 'abc' }, index: 0 },
      description: 'instance i-1, slot 2',
      shell: 'bash',
      loginPrint: undefined,
      onShell: () => {},
      minFreeKib: () => undefined,
      onSpace: () => {},
      start: async (make) => {
        result.starts++
        await make(relay).stdout(Buffer.from(mark('nonce1', answers.start)))
        return { code: 0 }
      },
      connection: () => connection,
      reconnect: async () => {},
      isLost: () => false,
      onReconnected: () => {},
      reconnectGraceMs: 60_000,
      clock,
    },
    {
      script: Buffer.from('true'),
      nonce: 'nonce1',
      stdout: () => {},
      stderr: (chunk) => {
        result.said += chunk.toString()
      },
      isComplete: () => false,
      ...(answers.resumed !== undefined && { resumed: answers.resumed }),
    },
    new AbortController().signal,
  )
  detached.run().catch((error: unknown) => (result.error = error))
  await clock.advance(0)
  return result
}

describe('a detached script that is neither started nor found', () => {
  test.each(['absent', 'torn'])('is given up after a few tries with pauses (%s)', async (follow) => {
    const result = await run({ start: 'taken', follow })
    expect(result.error).toBeUndefined()
    expect(result.starts + result.follows).toBeLessThanOrEqual(4)
    await clock.advance(1_000)
    expect(result.error).toBeUndefined()
    await clock.advance(3_000)
    expect(result.error).toMatchObject({ name: 'EnvironmentError', code: 'failed', isUntouched: false })
    expect(result.starts + result.follows).toBeLessThanOrEqual(5)
    expect(clock.pendingTimers).toBe(0)
  })

  test('that an earlier manager had begun is not begun again once its job is to stop', async () => {
    const result = await run({ start: 'detached', follow: 'absent', resumed: { mayStart: () => false } })
    await clock.advance(60_000)
    expect(result).toMatchObject({ starts: 0, follows: 1, error: { name: 'EnvironmentError', code: 'failed' } })
  })

  test('because nothing can be written is tried again after 1 s and 3 s, and the log says why', async () => {
    const result = await run({ start: 'unwritable 0 12 No space left on device', follow: 'absent' })
    expect(result.said).toBe(
      '\x1b[33;1minstance i-1, slot 2: no space left in builds (0 MB free). Trying again in 1 s.\x1b[0;m\n',
    )
    await clock.advance(1_000)
    expect(result).toMatchObject({ starts: 2, error: undefined })
    await clock.advance(3_000)
    expect(result).toMatchObject({ starts: 3, follows: 0 })
    expect(result.error).toMatchObject({
      code: 'unwritable',
      isUntouched: true,
      message: 'instance i-1, slot 2: no space left in builds (0 MB free)',
    })
    expect(clock.pendingTimers).toBe(0)
  })
})
