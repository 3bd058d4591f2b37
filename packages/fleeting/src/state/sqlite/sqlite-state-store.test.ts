import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import { stateStoreCases } from '../../../test/state-store-cases.ts'
import { ManualClock } from '../../testing/manual-clock.ts'
import { fleetDirectory } from '../fleet-directory.ts'
import type { FleetLease } from '../state-store.ts'
import { SqliteStateStore } from './sqlite-state-store.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})
const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'state-'))
  directories.push(directory)
  return directory
}

describe('SqliteStateStore', () => {
  describe.each([
    ['in a thread of its own', true],
    ['in the thread of its caller', false],
  ])('%s', (_, thread) => {
    stateStoreCases(() => {
      const directory = newDirectory()
      return () => new SqliteStateStore({ directory, handOverMs: 0, thread })
    })
  })

  describe('asked for the fleet', () => {
    const two = async (
      clock: ManualClock,
    ): Promise<{ first: FleetLease; asking: Promise<FleetLease>; isOurs: () => boolean }> => {
      const directory = newDirectory()
      const first = await new SqliteStateStore({ directory, clock, thread: false }).lease('a')
      await clock.advance(5_000)
      expect(first.wanted.aborted).toBe(false)
      let isOurs = false
      const asking = new SqliteStateStore({ directory, clock, thread: false })
        .lease('a', { takeover: true })
        .then((lease) => {
          isOurs = true
          return lease
        })
      return { first, asking, isOurs: () => isOurs }
    }

    it('an owner knows within a second, and has the fleet until it lets go', async () => {
      const clock = new ManualClock()
      const { first, asking, isOurs } = await two(clock)
      await clock.advance(1_000)
      expect(first.wanted.aborted).toBe(true)
      await first.write([{ kind: 'use', key: 'i', value: 1 }])
      await clock.advance(10_000)
      expect(isOurs()).toBe(false)
      first.freeze()
      await clock.advance(1_000)
      expect(isOurs()).toBe(false)
      await first.release()
      await clock.advance(250)
      expect(isOurs()).toBe(true)
      const second = await asking
      expect(await second.load()).toEqual([{ kind: 'use', key: 'i', value: 1 }])
      await clock.advance(60_000)
      expect([second.wanted.aborted, first.lost.aborted]).toEqual([false, false])
      await second.release()
    })

    it('an owner that does not let go in time loses it, and one that gives no sign of life sooner', async () => {
      const clock = new ManualClock()
      const { first, asking, isOurs } = await two(clock)
      await clock.advance(14_000)
      expect([isOurs(), first.lost.aborted]).toEqual([false, false])
      await clock.advance(2_000)
      expect([isOurs(), first.lost.aborted]).toEqual([true, true])
      await (await asking).release()

      const directory = newDirectory()
      const stalled = new ManualClock()
      await new SqliteStateStore({ directory, clock: stalled, thread: false }).lease('a')
      let isFree = false
      const forced = new SqliteStateStore({ directory, clock, thread: false })
        .lease('a', { takeover: true })
        .then((lease) => {
          isFree = true
          return lease
        })
      await clock.advance(4_500)
      expect(isFree).toBe(false)
      await clock.advance(1_000)
      expect(isFree).toBe(true)
      await (await forced).release()
    })

    it('by one that went away while it waited, it is not asked', async () => {
      const clock = new ManualClock()
      const directory = newDirectory()
      const first = await new SqliteStateStore({ directory, clock, thread: false }).lease('a')
      const abort = new AbortController()
      const asking = new SqliteStateStore({ directory, clock, thread: false }).lease('a', {
        takeover: true,
        signal: abort.signal,
      })
      abort.abort(new Error('not needed'))
      await expect(asking).rejects.toThrow('not needed')
      await clock.advance(5_000)
      expect(first.wanted.aborted).toBe(false)
      await first.release()
    })
  })

  it('keeps its files for this user alone, one directory for each fleet', async () => {
    const directory = join(newDirectory(), 'new')
    const store = new SqliteStateStore({ directory })
    await store.lease('../a b')
    const place = fleetDirectory(directory, '../a b')
    expect(place).toBe(join(directory, '%2E.%2Fa%20b'))
    expect([directory, place, join(place, 'state.db')].map((path) => statSync(path).mode & 0o777)).toEqual([
      0o700, 0o700, 0o600,
    ])
    await store.close()
  })

  const kept = async (): Promise<{ readonly directory: string; readonly file: string }> => {
    const directory = newDirectory()
    const store = new SqliteStateStore({ directory })
    const lease = await store.lease('a')
    await lease.write(
      Array.from({ length: 500 }, (_, index) => ({ kind: 'instance', key: `i-${index}`, value: 'x'.repeat(50) })),
    )
    await store.close()
    return { directory, file: join(fleetDirectory(directory, 'a'), 'state.db') }
  }

  for (const [what, spoil] of [
    ['garbage', (file: string) => writeFileSync(file, 'garbage '.repeat(2000))],
    ['cut short', (file: string) => truncateSync(file, 12_288)],
    [
      'with a page overwritten',
      (file: string) => {
        const bytes = readFileSync(file)
        bytes.fill(0xa5, 8192, 16_384)
        writeFileSync(file, bytes)
      },
    ],
    [
      'of another program',
      (file: string) => {
        rmSync(file)
        const database = new DatabaseSync(file)
        database.exec('CREATE TABLE theirs (a)')
        database.close()
      },
    ],
  ] as const) {
    it(`refuses a file that is ${what}, and leaves it as it is`, async () => {
      const { directory, file } = await kept()
      spoil(file)
      const before = readFileSync(file)
      const store = new SqliteStateStore({ directory })
      await expect(store.lease('a')).rejects.toMatchObject({
        name: 'StateError',
        code: 'corrupt',
        message: expect.stringContaining(file),
      })
      expect(readFileSync(file).equals(before)).toBe(true)
      await store.close()
    })
  }

  it('refuses a file of a newer version, and leaves it as it is', async () => {
    const { directory, file } = await kept()
    const database = new DatabaseSync(file)
    database.exec('PRAGMA user_version = 99')
    database.close()
    const before = readFileSync(file)
    await expect(new SqliteStateStore({ directory }).lease('a')).rejects.toMatchObject({ code: 'newer_schema' })
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it('says that a directory cannot be used', async () => {
    const directory = join(newDirectory(), 'file')
    writeFileSync(directory, '')
    await expect(new SqliteStateStore({ directory }).lease('a')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('opens what a copy of a running store holds', async () => {
    const directory = newDirectory()
    const store = new SqliteStateStore({ directory })
    const lease = await store.lease('a')
    await lease.write([{ kind: 'use', key: 'i', value: 1 }])
    const copy = newDirectory()
    mkdirSync(fleetDirectory(copy, 'a'))
    for (const name of ['state.db', 'state.db-wal'])
      copyFileSync(join(fleetDirectory(directory, 'a'), name), join(fleetDirectory(copy, 'a'), name))
    const next = new SqliteStateStore({ directory: copy })
    expect(await (await next.lease('a')).load()).toEqual([{ kind: 'use', key: 'i', value: 1 }])
    await Promise.all([store.close(), next.close()])
  })
})
