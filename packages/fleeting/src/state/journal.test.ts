import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Logger } from '../contract/logger.ts'
import { ManualClock } from '../testing/index.ts'
import { Journal } from './journal.ts'
import { MemoryStateStore } from './memory-state-store.ts'
import { type FleetLease, type StateChange, StateError, type StateRecord } from './state-store.ts'

type Fault = 'reject' | 'lose the answer'

const put = (key: string, value: string | null): StateChange => ({ kind: 'job', key, value })
const full = (): StateError => new StateError('disk_full', 'no room')

let clock: ManualClock
let store: MemoryStateStore
let lease: FleetLease
let journal: Journal
let lines: string[]
/** What becomes of the next writes; of those after them: nothing. */
let faults: (Fault | undefined)[]
let fault: Fault | undefined
let sizes: number[]

/** Fails as told. */
function faulty(inner: FleetLease): FleetLease {
  const write = inner.write.bind(inner)
  inner.write = async (changes) => {
    const now = faults.length > 0 ? faults.shift() : fault
    sizes.push(JSON.stringify(changes).length)
    if (now === 'reject') throw full()
    await write(changes)
    if (now === 'lose the answer') throw new StateError('unavailable', 'the answer was lost')
  }
  return inner
}

async function open(): Promise<void> {
  lease = faulty(await store.lease('fleet', { takeover: true }))
  const say = (_fields: object, message: string): void => void lines.push(message)
  const logger: Logger = { debug: say, info: say, warn: say, error: say }
  journal = Journal.over({ lease, clock, logger })
}

const kept = async (): Promise<readonly StateRecord[]> => {
  const records = await lease.load(['job'])
  return records.toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

beforeEach(async () => {
  clock = new ManualClock()
  store = new MemoryStateStore()
  lines = []
  faults = []
  fault = undefined
  sizes = []
  await open()
})

describe('Journal', () => {
  test('is the same over one lease, whoever asks for it', () => {
    expect(Journal.over({ lease: journal, clock, logger: console })).toBe(journal)
  })

  test('keeps facts once state can be written again, each as it was noted last', async () => {
    fault = 'reject'
    journal.note(put('a', '1'))
    journal.note(put('a', '2'), put('b', '1'))
    await clock.advance(60_000)
    expect(await kept()).toEqual([])
    fault = undefined
    await clock.advance(5_000)
    expect(await kept()).toEqual([
      { kind: 'job', key: 'a', value: '2' },
      { kind: 'job', key: 'b', value: '1' },
    ])
  })

  test('is settled once all that was noted before is kept, and not sooner', async () => {
    let isSettled = false
    const settle = (): void => void journal.settled().then(() => (isSettled = true))
    settle()
    await clock.advance(0)
    expect(isSettled).toBe(true)

    isSettled = false
    faults = ['reject']
    journal.note(put('a', '1'))
    settle()
    await clock.advance(4_000)
    expect(isSettled).toBe(false)
    await clock.advance(2_000)
    expect(isSettled).toBe(true)
    expect(await kept()).toEqual([{ kind: 'job', key: 'a', value: '1' }])
  })

  test('says once that state cannot be written, and once that it can', async () => {
    const onChange = vi.fn()
    journal.onChange(onChange)
    fault = 'reject'
    for (let count = 0; count < 5; count++)
      await expect(journal.write([put('a', 'x')])).rejects.toMatchObject({ code: 'disk_full' })
    await clock.advance(60_000)
    expect(journal.trouble).toMatchObject({ since: clock.now() - 60_000, error: { code: 'disk_full' } })
    fault = undefined
    await clock.advance(5_000)
    expect([journal.trouble, onChange.mock.calls.length]).toEqual([undefined, 2])
    expect(lines).toEqual(['state cannot be written, no job is taken until it can', 'state can be written again'])
  })

  test('probes with as much as what found no room, and with one write at a time', async () => {
    fault = 'reject'
    await journal.write([put('large', 'x'.repeat(300_000))]).catch(() => {})
    for (let count = 0; count < 50; count++) void journal.keep(() => [put(`job ${count}`, 'x')])
    sizes = []
    await clock.advance(60_000)
    expect(sizes).toHaveLength(12)
    expect(Math.min(...sizes)).toBeGreaterThan(300_000)
    fault = undefined
    await clock.advance(5_000)
    expect(await kept()).toHaveLength(50)
    // Nothing is left of the probe but its time.
    expect(JSON.stringify(await lease.load(['fleet'])).length).toBeLessThan(200)
  })

  test('lets whoever waits go on in order, with what is true by then', async () => {
    fault = 'reject'
    const order: string[] = []
    let value = 'early'
    const onWait = vi.fn()
    const waits = ['a', 'b'].map((key) => journal.keep(() => [put(key, value)], { onWait }).then(() => order.push(key)))
    await clock.advance(1_000)
    value = 'late'
    fault = undefined
    await clock.advance(5_000)
    await Promise.all(waits)
    expect([order, onWait.mock.calls.length]).toEqual([['a', 'b'], 2])
    expect((await kept()).map(({ value }) => value)).toEqual(['late', 'late'])
  })

  test('lets whoever stops waiting go at once, and keeps nothing for him later', async () => {
    fault = 'reject'
    const abort = new AbortController()
    const wait = journal.keep(() => [put('a', '1')], { signal: abort.signal })
    await clock.advance(1_000)
    abort.abort(new Error('cancelled'))
    await expect(wait).rejects.toThrow('cancelled')
    fault = undefined
    await clock.advance(10_000)
    expect(await kept()).toEqual([])
  })

  test('tells whoever waits at once that another process has the fleet', async () => {
    fault = 'reject'
    const wait = journal.keep(() => [put('a', '1')])
    const refused = expect(wait).rejects.toMatchObject({ code: 'fenced' })
    await clock.advance(1_000)
    await store.lease('fleet', { takeover: true })
    await refused
    await expect(journal.keep(() => [put('a', '1')])).rejects.toMatchObject({ code: 'fenced' })
    expect(journal.trouble).toMatchObject({ error: { code: 'fenced' } })
  })

  test('does not put a fact back that a later write has replaced', async () => {
    fault = 'reject'
    journal.note(put('a', null))
    await clock.advance(1_000)
    fault = undefined
    await journal.write([put('a', 'new')])
    await clock.advance(10_000)
    expect(await kept()).toMatchObject([{ key: 'a', value: 'new' }])
  })

  test('keeps everything in the end, whichever writes fail or lose their answer', async () => {
    const key = fc.constantFrom('a', 'b', 'c')
    const step = fc.oneof(
      fc.record({ do: fc.constant('note' as const), key }),
      fc.record({ do: fc.constant('keep' as const), key }),
      fc.record({ do: fc.constant('write' as const), key }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 8_000 }) }),
    )
    const outcomes = fc.array(fc.constantFrom<(Fault | undefined)[]>('reject', 'lose the answer', undefined), {
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), outcomes, async (steps, drawn) => {
        clock = new ManualClock()
        store = new MemoryStateStore()
        fault = undefined
        await open()
        faults = [...drawn]
        /** By key, what may be kept in the end. */
        const said = new Map<string, Set<string>>()
        const current = new Map<string, string>()
        const done: Promise<unknown>[] = []
        for (const [index, each] of steps.entries()) {
          if (each.do === 'pass') {
            await clock.advance(each.ms)
            continue
          }
          const value = `${each.do} ${index}`
          const change = put(each.key, value)
          current.set(each.key, value)
          if (each.do === 'note') journal.note(change)
          else
            done.push(
              each.do === 'keep'
                ? journal.keep(() => [put(each.key, current.get(each.key)!)])
                : journal.write([change]).catch(() => {}),
            )
          // What is tried once may fail, and overtakes what waits.
          if (each.do === 'write') said.set(each.key, (said.get(each.key) ?? new Set(['nothing'])).add(value))
          else said.set(each.key, new Set([value]))
        }
        faults = []
        await clock.advance(20_000)
        await Promise.all(done)
        expect(journal.trouble).toBeUndefined()
        const values = new Map((await kept()).map(({ key, value }) => [key, value as string]))
        for (const [place, may] of said) expect([...may]).toContain(values.get(place) ?? 'nothing')
      }),
      { numRuns: 300 },
    )
  })
})
