import { expect, test } from 'vitest'
import { FencedError, type FleetLease, type FleetOwner, type StateStore } from '../src/state/state-store.ts'

/**
 * Declares the tests that every state store passes. `open` opens the same state each time within one test, as another
 * process would.
 */
export function stateStoreCases(open: () => () => StateStore): void {
  const change = { kind: 'launch', key: '1', value: 1 } as const

  test('keeps all changes of a write, over leases', async () => {
    const store = open()()
    const first = await store.lease('a')
    const value = { count: 1, text: 'ü"\u0000\n' }
    const writing = first.write([
      { kind: 'launch', key: '1', value },
      { kind: 'removal', key: '1', value: 'x' },
    ])
    value.count = 2
    await writing
    await first.write([{ kind: 'removal', key: '1', value: null }])
    await first.release()
    const second = await store.lease('a')
    expect(await second.load()).toEqual([{ kind: 'launch', key: '1', value: { count: 1, text: 'ü"\u0000\n' } }])
    expect(await (await store.lease('b')).load()).toEqual([])
    expect(second.epoch).toBeGreaterThan(first.epoch)
    await store.close()
  })

  test('keeps the order of writes that are not waited for', async () => {
    const store = open()()
    const lease = await store.lease('a')
    const writes = [1, 2, null, 3].map((value) => lease.write([{ kind: 'use', key: 'i-1', value }]))
    void lease.write([{ kind: 'job', key: 'j', value: 1 }])
    void lease.write([{ kind: 'job', key: 'j', value: null }])
    await Promise.all(writes)
    expect(await lease.load()).toEqual([{ kind: 'use', key: 'i-1', value: 3 }])
    await store.close()
  })

  test('loads the kinds that are asked for', async () => {
    const store = open()()
    const lease = await store.lease('a')
    await lease.write([change, { kind: 'job', key: 'j', value: 1 }, { kind: 'use', key: 'u', value: 2 }])
    expect((await lease.load(['job', 'use'])).map(({ key }) => key).sort()).toEqual(['j', 'u'])
    expect(await lease.load(['reservation'])).toEqual([])
    await store.close()
  })

  test('lets one owner at a time have a fleet: the next waits, says so, and gets it when it is released', async () => {
    const openStore = open()
    const [one, other] = [openStore(), openStore()]
    const first = await one.lease('a')
    const owners: string[] = []
    let second: FleetLease | undefined
    let waiting: Promise<FleetLease> | undefined
    await new Promise<void>((resolve) => {
      const onWait = ({ name }: FleetOwner): void => {
        owners.push(name)
        resolve()
      }
      waiting = other.lease('a', { onWait }).then((lease) => {
        second = lease
        return lease
      })
    })
    await first.write([change])
    expect(owners).toHaveLength(1)
    expect(second).toBeUndefined()
    await first.release()
    expect(await (await waiting!).load()).toEqual([change])
    expect(first.lost.aborted).toBe(false)
    await Promise.all([one.close(), other.close()])
  })

  test('ends a wait when it is told to', async () => {
    const openStore = open()
    const [one, other] = [openStore(), openStore()]
    await one.lease('a')
    const abort = new AbortController()
    const waiting = other.lease('a', { signal: abort.signal })
    abort.abort(new Error('not needed'))
    await expect(waiting).rejects.toThrow('not needed')
    await Promise.all([one.close(), other.close()])
  })

  test('fences whoever lost the fleet to a take-over, and tells', async () => {
    const openStore = open()
    const [one, other] = [openStore(), openStore()]
    const first = await one.lease('a')
    const lost = new Promise((resolve) =>
      first.lost.addEventListener('abort', () => resolve(first.lost.reason), { once: true }),
    )
    const second = await other.lease('a', { takeover: true })
    await expect(first.write([change])).rejects.toThrow(FencedError)
    expect(await lost).toMatchObject({ code: 'fenced', fleet: 'a', epoch: first.epoch })
    await expect(first.write([])).rejects.toThrow(FencedError)
    await first.release()
    expect(await second.load()).toEqual([])
    await second.write([change])
    await Promise.all([one.close(), other.close()])
  })

  test('a lease that is frozen keeps the fleet, with what was written before, and writes nothing more', async () => {
    const openStore = open()
    const [one, other] = [openStore(), openStore()]
    const first = await one.lease('a')
    const before = first.write([change])
    first.freeze()
    await before
    let isAnswered = false
    const note = (): void => {
      isAnswered = true
    }
    void first.write([{ kind: 'use', key: 'u', value: 1 }]).then(note, note)
    let isFree = false
    const waiting = other.lease('a').then((lease) => {
      isFree = true
      return lease
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isFree).toBe(false)
    await first.release()
    expect(await (await waiting).load()).toEqual([change])
    expect(isAnswered).toBe(false)
    await Promise.all([one.close(), other.close()])
  })

  test('proves by a write without changes that the lease holds, and no write follows a release', async () => {
    const store = open()()
    const lease = await store.lease('a')
    await lease.write([])
    await lease.release()
    await lease.release()
    await expect(lease.write([])).rejects.toMatchObject({ code: 'fenced', fleet: 'a', epoch: lease.epoch })
    await store.close()
  })

  test('releases with the store what is left', async () => {
    const store = open()()
    const lease = await store.lease('a')
    await store.close()
    await expect(lease.write([change])).rejects.toThrow(FencedError)
    await expect(store.lease('a')).rejects.toMatchObject({ code: 'closed' })
  })
}
