import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../testing/manual-clock.ts'
import { fleetDirectory } from '../fleet-directory.ts'
import { migrate } from './schema.ts'
import { SqliteStateStore } from './sqlite-state-store.ts'

const megabyte = 1 << 20
let directory: string
let clock: ManualClock
let store: SqliteStateStore
const file = (suffix = ''): string => `${join(fleetDirectory(directory, 'a'), 'state.db')}${suffix}`
const megabytes = (suffix = ''): number => statSync(file(suffix)).size / megabyte

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'state-'))
  clock = new ManualClock()
  store = new SqliteStateStore({ directory, clock, thread: false })
})
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true })
})

/** A file as earlier versions made it, with so many values of a megabyte. */
function earlierFile(values: number): void {
  mkdirSync(fleetDirectory(directory, 'a'), { recursive: true })
  const database = new DatabaseSync(file())
  database.exec('PRAGMA journal_mode = WAL')
  migrate(database, file())
  const put = database.prepare(`INSERT INTO record VALUES ('job', ?, '"' || printf('%.*c', ${megabyte}, 'x') || '"')`)
  for (let key = 0; key < values; key += 1) put.run(`old-${key}`)
  database.close()
}

describe('the space of what was deleted', () => {
  it('goes back to the disk, log and file, within seconds', async () => {
    const lease = await store.lease('a')
    const keys = Array.from({ length: 6 }, (_, index) => `job-${index}`)
    await Promise.all(keys.map((key) => lease.write([{ kind: 'job', key, value: 'x'.repeat(8 * megabyte) }])))
    await lease.write([{ kind: 'use', key: 'i', value: 1 }])
    expect(megabytes()).toBeGreaterThan(48)
    await Promise.all(keys.map((key) => lease.write([{ kind: 'job', key, value: null }])))
    await clock.advance(10_000)
    expect(megabytes()).toBeLessThan(2)
    expect(megabytes('-wal')).toBeLessThanOrEqual(4)
    expect(await lease.load()).toEqual([{ kind: 'use', key: 'i', value: 1 }])
  })

  it('goes back from a file of an earlier version too, which keeps what it has', async () => {
    earlierFile(10)
    const lease = await store.lease('a')
    expect(await lease.load()).toHaveLength(10)
    for (let key = 1; key < 10; key += 1) void lease.write([{ kind: 'job', key: `old-${key}`, value: null }])
    await lease.write([])
    await clock.advance(5_000)
    expect(megabytes()).toBeLessThan(2.5)
    expect((await lease.load()).map(({ key, value }) => [key, (value as string).length])).toEqual([['old-0', megabyte]])
  })

  it('stays in a file of an earlier version that would take long to write anew', async () => {
    earlierFile(65)
    const lease = await store.lease('a')
    for (let key = 1; key < 65; key += 1) void lease.write([{ kind: 'job', key: `old-${key}`, value: null }])
    await lease.write([])
    await clock.advance(5_000)
    expect(megabytes()).toBeGreaterThan(64)
    await lease.release()
    // It is small now, and the next process does it.
    await (await store.lease('a')).release()
    expect(megabytes()).toBeLessThan(2.5)
  })
})
