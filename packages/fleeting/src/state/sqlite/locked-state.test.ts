import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../testing/manual-clock.ts'
import { fleetDirectory } from '../fleet-directory.ts'
import type { FleetLease } from '../state-store.ts'
import { SqliteStateStore, type SqliteStateStoreOptions } from './sqlite-state-store.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const open = (
  options: Omit<SqliteStateStoreOptions, 'directory'> = {},
): { readonly store: SqliteStateStore; readonly directory: string } => {
  const directory = mkdtempSync(join(tmpdir(), 'state-'))
  const store = new SqliteStateStore({ directory, ...options })
  cleanUps.push(
    () => rmSync(directory, { recursive: true }),
    () => store.close(),
  )
  return { store, directory }
}

/** Another program that writes to a fleet's file, and does not come to an end. Answers how it does. */
function hold(directory: string, fleet: string): () => void {
  const database = new DatabaseSync(join(fleetDirectory(directory, fleet), 'state.db'))
  database.exec('BEGIN IMMEDIATE')
  const letGo = (): void => {
    if (database.isOpen) database.close()
  }
  cleanUps.push(letGo)
  return letGo
}

const change = (value: number) => ({ kind: 'use', key: 'i', value }) as const

describe('a state file that another process holds', () => {
  it('keeps neither the event loop nor another fleet waiting, and writes in order once it is free', async () => {
    const { store, directory } = open()
    const [a, b] = await Promise.all([store.lease('a'), store.lease('b')])
    const letGo = hold(directory, 'a')
    let isWritten = false
    const writing = Promise.all([1, 2].map((value) => a.write([change(value)]))).then(() => {
      isWritten = true
    })
    for (let count = 0; count < 10; count += 1) await b.write([change(count)])
    const last = a.write([change(3)])
    expect(isWritten).toBe(false)
    letGo()
    await Promise.all([writing, last])
    expect(await a.load()).toEqual([change(3)])
    expect(await b.load()).toEqual([change(9)])
  })

  const held = async (): Promise<{ clock: ManualClock; lease: FleetLease; letGo: () => void; results: string[] }> => {
    const clock = new ManualClock()
    const { store, directory } = open({ clock, thread: false })
    const lease = await store.lease('a')
    const letGo = hold(directory, 'a')
    const results: string[] = []
    lease.write([change(1)]).then(
      () => results.push('written'),
      ({ code }: { code: string }) => results.push(code),
    )
    return { clock, lease, letGo, results }
  }

  it('fails a write after ten seconds, and not the lease: the next write after that is made', async () => {
    const { clock, lease, letGo, results } = await held()
    await clock.advance(9_900)
    expect(results).toEqual([])
    await clock.advance(200)
    expect(results).toEqual(['busy'])
    await clock.advance(5_000)
    letGo()
    await lease.write([change(2)])
    expect([await lease.load(), lease.lost.aborted]).toEqual([[change(2)], false])
  })

  it('loses nothing that was written before a freeze', async () => {
    const { clock, lease, letGo, results } = await held()
    await clock.advance(5_000)
    lease.freeze()
    const releasing = lease.release()
    letGo()
    await clock.advance(1_000)
    await releasing
    expect(results).toEqual(['written'])
  })

  it('is waited for by whoever wants the fleet, who is told', async () => {
    const clock = new ManualClock()
    const { store, directory } = open({ clock, thread: false })
    await (await store.lease('a')).release()
    const letGo = hold(directory, 'a')
    const owners: string[] = []
    let lease: FleetLease | undefined
    const waiting = store.lease('a', { onWait: ({ name }) => owners.push(name) }).then((ours) => {
      lease = ours
    })
    await clock.advance(60_000)
    expect([lease, owners]).toEqual([undefined, Array(2).fill('a process that has locked the state file')])
    letGo()
    await clock.advance(1_000)
    await waiting
    await lease!.write([change(1)])
  })
})
