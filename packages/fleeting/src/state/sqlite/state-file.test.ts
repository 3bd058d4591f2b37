import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../testing/manual-clock.ts'
import { fleetDirectory } from '../fleet-directory.ts'
import { FencedError, type FleetLease } from '../state-store.ts'
import { SqliteStateStore } from './sqlite-state-store.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

const open = async (): Promise<{ directory: string; place: string; clock: ManualClock; lease: FleetLease }> => {
  const directory = mkdtempSync(join(tmpdir(), 'state-'))
  directories.push(directory)
  const clock = new ManualClock()
  const lease = await new SqliteStateStore({ directory, clock, thread: false }).lease('a')
  await lease.write([{ kind: 'use', key: 'i', value: 1 }])
  await clock.advance(1_000)
  return { directory, place: fleetDirectory(directory, 'a'), clock, lease }
}

const gone = expect.objectContaining({
  code: 'fenced',
  cause: expect.objectContaining({ name: 'StateError', code: 'gone' }),
})

describe.each([
  ['removed', (place: string) => rmSync(join(place, 'state.db'))],
  [
    'replaced by a copy',
    (place: string) => {
      copyFileSync(join(place, 'state.db'), join(place, 'copy'))
      renameSync(join(place, 'copy'), join(place, 'state.db'))
    },
  ],
  ['left without its log', (place: string) => rmSync(join(place, 'state.db-wal'))],
  ['moved away with its directory', (place: string) => renameSync(place, `${place}.old`)],
  [
    'removed with all that is beside it, and the directory made anew',
    (place: string) => {
      rmSync(place, { recursive: true })
      mkdirSync(place)
    },
  ],
] as const)('a state file that is %s', (_, spoil) => {
  it('ends the lease with the next beat', async () => {
    const { place, clock, lease } = await open()
    spoil(place)
    expect(lease.lost.aborted).toBe(false)
    await clock.advance(1_000)
    expect(lease.lost.reason).toEqual(gone)
    expect((lease.lost.reason as Error).message).toContain(join(place, 'state.db'))
    expect(clock.pendingTimers).toBe(0)
  })

  it('takes no write, before the next beat either, and nobody makes it anew', async () => {
    const { place, lease } = await open()
    spoil(place)
    await expect(lease.write([{ kind: 'use', key: 'i', value: 2 }])).rejects.toEqual(gone)
    await expect(lease.write([])).rejects.toThrow(FencedError)
    expect(lease.lost.reason).toEqual(gone)
    await lease.release()
  })
})

it('a fleet whose state file was removed between two processes is not begun anew, unless its directory is gone too', async () => {
  const { directory, place, lease } = await open()
  await lease.release()
  rmSync(join(place, 'state.db'))
  const next = new SqliteStateStore({ directory, thread: false })
  await expect(next.lease('a')).rejects.toMatchObject({
    code: 'gone',
    message: expect.stringContaining(join(place, 'state.db')),
  })
  expect(readdirSync(place)).not.toContain('state.db')
  rmSync(place, { recursive: true })
  expect(await (await next.lease('a')).load()).toEqual([])
  await next.close()
})
