import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteStateStore } from './sqlite-state-store.ts'

let directory: string
const threads: Worker[] = []
const note = (message: unknown): void => void threads.push((message as { worker: Worker }).worker)
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'state-'))
  subscribe('worker_threads', note)
})
afterEach(() => {
  unsubscribe('worker_threads', note)
  threads.length = 0
  rmSync(directory, { recursive: true })
})
const open = (): SqliteStateStore => new SqliteStateStore({ directory })

describe('the thread of a state directory', () => {
  it('serves all its fleets, and ends with the last of them', async () => {
    const [one, other] = [open(), open()]
    await Promise.all([one.lease('a'), one.lease('b'), other.lease('c')])
    expect(threads).toHaveLength(1)
    const ended = new Promise((resolve) => threads[0]!.once('exit', resolve))
    await one.close()
    expect(await (await other.lease('d')).load()).toEqual([])
    await other.close()
    expect(await ended).toBe(0)
    await (await open().lease('a')).release()
    expect(threads).toHaveLength(2)
  })

  it('ends the leases of its fleets when it dies, and the next lease has a thread that lives', async () => {
    const store = open()
    const leases = await Promise.all([store.lease('a'), store.lease('b')])
    await leases[0]!.write([{ kind: 'use', key: 'i', value: 1 }])
    const lost = leases.map(
      ({ lost }) => new Promise((resolve) => lost.addEventListener('abort', () => resolve(lost.reason))),
    )
    const writing = leases[0]!.write([{ kind: 'use', key: 'i', value: 2 }])
    const isRejected = expect(writing).rejects.toMatchObject({
      code: 'fenced',
      cause: { name: 'StateError', code: 'unavailable' },
    })
    await threads[0]!.terminate()
    await isRejected
    for (const reason of await Promise.all(lost))
      expect(reason).toMatchObject({ code: 'fenced', cause: { code: 'unavailable' } })
    await store.close()
    const next = await open().lease('a')
    await next.write([{ kind: 'use', key: 'i', value: 3 }])
    expect(await next.load()).toEqual([{ kind: 'use', key: 'i', value: 3 }])
    await next.release()
  })
})
