import { expect, it } from 'vitest'
import { MemoryStateStore } from './memory-state-store.ts'
import { FencedError } from './state-store.ts'

it('keeps all changes of a write, over leases', async () => {
  const store = new MemoryStateStore()
  const first = await store.lease('a')
  const value = { count: 1 }
  await first.write([
    { kind: 'launch', key: '1', value },
    { kind: 'removal', key: '1', value: 'x' },
  ])
  value.count = 2
  await first.write([{ kind: 'removal', key: '1', value: null }])
  const second = await store.lease('a')
  expect(await second.load()).toEqual([{ kind: 'launch', key: '1', value: { count: 1 } }])
  expect(await (await store.lease('b')).load()).toEqual([])
  expect(second.epoch).toBeGreaterThan(first.epoch)
})

it('fences whoever lost the lease, or gave it back', async () => {
  const store = new MemoryStateStore()
  const first = await store.lease('a')
  const second = await store.lease('a')
  await expect(first.write([{ kind: 'launch', key: '1', value: 1 }])).rejects.toThrow(FencedError)
  expect(await second.load()).toEqual([])
  await first.release()
  await second.write([{ kind: 'launch', key: '1', value: 1 }])
  await second.release()
  await expect(second.write([])).rejects.toMatchObject({ code: 'fenced', fleet: 'a', epoch: second.epoch })
})
