import { Journal, MemoryStateStore, silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { KeptHostKeys } from './kept-host-keys.ts'

test('a host key that was pinned is known to the next process, until its instance is gone', async () => {
  const clock = new ManualClock()
  const store = new MemoryStateStore()
  const open = async (): Promise<{ keys: KeptHostKeys; journal: Journal }> => {
    const journal = Journal.over({ lease: await store.lease('fleet'), clock, logger: silentLogger })
    return { journal, keys: await KeptHostKeys.load(journal, () => clock.wallTime()) }
  }
  const first = await open()
  first.keys.set('i-1', 'ssh-ed25519 AAAA')
  first.keys.set('i-2', 'ssh-ed25519 BBBB')
  first.keys.delete('i-2')
  first.keys.delete('i-3')
  await first.journal.release()
  const { keys, journal } = await open()
  expect([keys.get('i-1'), keys.get('i-2')]).toEqual(['ssh-ed25519 AAAA', undefined])
  keys.delete('i-1')
  await journal.release()
  expect((await open()).keys.get('i-1')).toBe(undefined)
})
