import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import type { AzureClient } from './client.ts'
import { AddressBook } from './connect.ts'

const { signal } = new AbortController()

/** A network whose reads end when told. */
function network() {
  const clock = new ManualClock()
  const reads: { signal: AbortSignal; end: (machines: readonly string[]) => void; fail: (error: Error) => void }[] = []
  const rowsOf = (machines: readonly string[]): object[] =>
    machines.map((id) => ({
      properties: { virtualMachine: { id }, ipConfigurations: [{ properties: { privateIPAddress: `of ${id}` } }] },
    }))
  const list = (_doing: string, _path: string, _version: string, signal: AbortSignal): Promise<unknown> =>
    new Promise((resolve, reject) => reads.push({ signal, end: (machines) => resolve(rowsOf(machines)), fail: reject }))
  const client = { list, setPath: '/set', groupPath: '/group' } as unknown as AzureClient
  return { clock, reads, book: new AddressBook({ client, clock, mode: 'Uniform', withExternal: false }) }
}

test('all who ask share one reading, and what it found is not read again', async () => {
  const { book, reads } = network()
  const asked = ['a', 'b'].map((id) => book.of(id, 0, signal))
  reads[0]!.end(['a', 'b'])
  expect(await Promise.all(asked)).toEqual([{ internalAddress: 'of a' }, { internalAddress: 'of b' }])
  expect(await book.of('a', 0, signal)).toEqual({ internalAddress: 'of a' })
  expect(reads).toHaveLength(1)
})

test('a machine that had no address yet is looked for again after two seconds, one that is listed since at once', async () => {
  const { book, reads, clock } = network()
  const first = book.of('a', 0, signal)
  reads[0]!.end([])
  expect(await first).toBeUndefined()
  await clock.advance(1999)
  expect(await book.of('a', 0, signal)).toBeUndefined()
  expect(reads).toHaveLength(1)

  const since = book.of('b', clock.now(), signal)
  await expect.poll(() => reads.length).toBe(2)
  reads[1]!.end(['b'])
  expect(await since).toEqual({ internalAddress: 'of b' })

  await clock.advance(2000)
  const again = book.of('a', 0, signal)
  await expect.poll(() => reads.length).toBe(3)
  reads[2]!.end(['a'])
  expect(await again).toEqual({ internalAddress: 'of a' })
})

test('who stops waiting does not end the reading of the others; the last one does', async () => {
  const { book, reads } = network()
  const [one, other] = [new AbortController(), new AbortController()]
  const [first, second] = [book.of('a', 0, one.signal), book.of('b', 0, other.signal)]
  one.abort(new Error('one'))
  await expect(first).rejects.toThrow('one')
  expect(reads[0]!.signal.aborted).toBe(false)
  other.abort(new Error('other'))
  await expect(second).rejects.toThrow('other')
  expect(reads[0]!.signal.aborted).toBe(true)

  const later = book.of('a', 0, signal)
  expect(reads).toHaveLength(2)
  reads[1]!.end(['a'])
  expect(await later).toEqual({ internalAddress: 'of a' })
})

test('a reading that fails is told to those who waited, and the next who asks reads anew', async () => {
  const { book, reads } = network()
  const asked = [book.of('a', 0, signal), book.of('b', 0, signal)]
  reads[0]!.fail(new Error('cut'))
  for (const each of asked) await expect(each).rejects.toThrow('cut')
  const later = book.of('a', 0, signal)
  reads[1]!.end(['a'])
  expect(await later).toEqual({ internalAddress: 'of a' })
})
