import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { ScriptedConnection } from '../../test/scripted-connection.ts'
import { type FollowEnd, followCommand } from './follow-command.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('of a script whose shell is gone all is taken that was kept, as long as it goes on coming', async () => {
  const clock = new ManualClock()
  const connection = new ScriptedConnection()
  let output = ''
  let end: FollowEnd | undefined
  const following = followCommand(connection, {
    script: Buffer.from('follow'),
    nonce: 'abc',
    stdout: (chunk) => {
      output += chunk.toString()
    },
    onFound: () => {},
    isComplete: () => false,
    clock,
    signal: new AbortController().signal,
  }).then((given) => (end = given))
  await turn()
  const [command] = connection.commands
  command!.print('\x1eabc following\x1efirst ')
  void command!.options.stderr?.(Buffer.from('abc gone 3 swept 1\n'))
  for (const piece of ['second ', 'third']) {
    await clock.advance(1500)
    command!.print(piece)
  }
  await clock.advance(1500)
  expect([end, output]).toEqual([undefined, 'first second third'])
  await clock.advance(500)
  await following
  expect(end).toEqual({ status: '3 swept 1' })
})
