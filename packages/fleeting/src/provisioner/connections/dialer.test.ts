import { expect, it } from 'vitest'
import { MemoryFleet, never } from '../../../test/memory-fleet.ts'
import type { Connection } from '../../contract/connection.ts'
import { ManualClock } from '../../testing/manual-clock.ts'
import { MemoryConnection, simpleShell } from '../../testing/memory-connection.ts'
import { GroupCaller } from '../calls/group-caller.ts'
import { Dialer } from './dialer.ts'

it.each(['its deadline', 'its caller has left'])('closes a connection that a group opens after %s', async (when) => {
  const clock = new ManualClock()
  const { group } = new MemoryFleet({})
  let open = (_connection: Connection): void => {}
  const connect = (): Promise<Connection> =>
    new Promise((resolve) => {
      open = resolve
    })
  const dialer = new Dialer(
    Object.assign(group, { connect }),
    new GroupCaller({ clock, random: () => 0.5, observer: {}, timeoutMs: 60_000 }),
    undefined,
  )
  const caller = new AbortController()
  const dialling = dialer.dial('m-1', when === 'its deadline' ? never : caller.signal)
  dialling.catch(() => {})
  await clock.advance(59_999)
  if (when === 'its deadline') await clock.advance(1)
  else caller.abort(new Error('enough'))
  await expect(dialling).rejects.toThrow(when === 'its deadline' ? 'connect did not answer within 60000 ms' : 'enough')
  const late = new MemoryConnection('m-1', simpleShell)
  open(late)
  await clock.advance(0)
  expect(late.ended).toMatchObject({ code: 'connection_lost' })
})
