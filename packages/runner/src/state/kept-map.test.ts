import { silentLogger } from '@runner-core/fleeting'
import { Journal, MemoryStateStore, StateError } from '@runner-core/fleeting/state'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { isText, KeptMap } from './kept-map.ts'

const clock = new ManualClock()

async function open(store: MemoryStateStore, most = 10): Promise<{ map: KeptMap<string>; journal: Journal }> {
  const journal = Journal.over({ lease: await store.lease('fleet'), clock, logger: silentLogger })
  return {
    journal,
    map: await KeptMap.load({ journal, prefix: 'host key ', most, wallTime: () => clock.wallTime(), isValue: isText }),
  }
}

test('what was set is known to the next process, until it is deleted', async () => {
  const store = new MemoryStateStore()
  const first = await open(store)
  first.map.set('i-1', 'ssh-ed25519 AAAA')
  first.map.set('i-2', 'ssh-ed25519 BBBB')
  first.map.delete('i-2')
  first.map.delete('i-3')
  await first.journal.release()
  const { map, journal } = await open(store)
  expect([map.get('i-1'), map.get('i-2')]).toEqual(['ssh-ed25519 AAAA', undefined])
  map.delete('i-1')
  await journal.release()
  expect((await open(store)).map.get('i-1')).toBe(undefined)
})

test('of more than are kept the oldest go, also those of an earlier process', async () => {
  const store = new MemoryStateStore()
  const { map, journal } = await open(store)
  for (const name of ['i-1', 'i-2', 'i-3', 'i-4']) {
    map.set(name, 'key')
    await clock.advance(1000)
  }
  await journal.release()
  const next = await open(store, 2)
  expect(['i-1', 'i-2', 'i-3', 'i-4'].map((name) => next.map.get(name) !== undefined)).toEqual([
    false,
    false,
    true,
    true,
  ])
  next.map.set('i-5', 'key')
  expect(next.map.get('i-3')).toBe(undefined)
})

test('while nothing can be written no more are held, and the last ones are known to the next process', async () => {
  const store = new MemoryStateStore()
  const lease = await store.lease('fleet')
  const write = lease.write.bind(lease)
  let isFull = true
  lease.write = async (changes) => {
    if (isFull) throw new StateError('disk_full', 'no room')
    await write(changes)
  }
  const journal = Journal.over({ lease, clock, logger: silentLogger })
  const map = await KeptMap.load({
    journal,
    prefix: 'host key ',
    most: 10,
    wallTime: () => clock.wallTime(),
    isValue: isText,
  })
  const names = Array.from({ length: 1000 }, (_, index) => `i-${index}`)
  for (const name of names) map.set(name, 'key')
  const held = (one: KeptMap<string>): string[] => names.filter((name) => one.get(name) !== undefined)
  expect(held(map)).toEqual(names.slice(-10))
  isFull = false
  await clock.advance(10_000)
  await journal.release()
  const next = (await open(store)).map
  expect(held(next)).toEqual(names.slice(-10))
})

test('a record of another form, or another map, is ignored', async () => {
  const store = new MemoryStateStore()
  const { journal } = await open(store)
  journal.note(
    { kind: 'fleet', key: 'host key i-1', value: { value: 7 } },
    { kind: 'fleet', key: 'login i-2', value: { value: 'x' } },
  )
  await journal.release()
  const { map } = await open(store)
  expect([map.get('i-1'), map.get('i-2')]).toEqual([undefined, undefined])
})
