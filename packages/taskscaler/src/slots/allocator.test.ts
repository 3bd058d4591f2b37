import type { Connection } from '@runner-core/fleeting'
import type { Instance } from '@runner-core/fleeting/provisioner'
import { ManualClock } from '@runner-core/fleeting/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InstanceLostError } from './acquisition.ts'
import { Allocator, type SlotChoice } from './allocator.ts'
import { InstanceSlots } from './instance-slots.ts'
import type { Lender, SlotAcquisition } from './slot-acquisition.ts'
import type { SlotReservation } from './slot-reservation.ts'

const clock = new ManualClock()
const lender: Lender = {
  keyPrefix: '',
  release: () => {},
  condemn: () => {},
  unreserve: () => {},
  lost: () => {},
  connect: () => Promise.resolve({} as Connection),
}

function host(id: string, limits: { capacity: number; uses: number }): InstanceSlots {
  const instance: Instance = {
    id,
    state: 'running',
    cause: 'requested',
    seenAt: 0,
    stateSince: 0,
    missed: false,
    healthy: true,
  }
  return new InstanceSlots(instance, limits)
}

/** An allocator beside the plainest bookkeeping of the same thing: arrays, searched. */
class Observed {
  readonly limits: { capacity: number; uses: number }
  readonly allocator: Allocator
  readonly hosts: InstanceSlots[] = []
  open: SlotReservation[] = []
  waiting: SlotReservation[] = []
  lent: SlotAcquisition[] = []
  readonly given: SlotReservation[] = []
  /** Of each host that a labelled job had, the first one's that had a connection; before, of one that has a slot. */
  readonly labels = new Map<InstanceSlots, string>()
  readonly hostsOfFinalLabel = new Set<InstanceSlots>()
  readonly origins = new Map<SlotAcquisition, SlotReservation>()
  /** Hosts that warm and have had no job. */
  readonly held = new Set<InstanceSlots>()
  readonly contents = new Map<InstanceSlots, Set<string>>()
  /** Of those that had to wait. */
  readonly choices = new Map<SlotReservation, SlotChoice>()
  made = 0
  /** New instances that can be waited for. */
  room = 0

  constructor(capacity: number, uses: number) {
    this.limits = { capacity, uses }
    this.allocator = new Allocator(this.limits, lender, () => (position) => 1000 + position)
  }

  acquire(reservation: SlotReservation, choice: SlotChoice = {}): void {
    this.open = this.open.filter((other) => other !== reservation)
    this.choices.set(reservation, choice)
    const acquisition = this.allocator.acquire(reservation, choice)
    if (acquisition !== undefined) {
      this.#lent(acquisition, reservation)
      return
    }
    this.waiting.push(reservation)
    this.allocator.wait(reservation, {
      since: 0,
      expired: 0,
      onReplanned: undefined,
      unlisten: () => {},
      reject: () => {},
      resolve: (granted) => {
        expect(reservation).toBe(this.#next(granted.host))
        this.#lent(granted, reservation)
        this.waiting = this.waiting.filter((other) => other !== reservation)
        this.given.push(reservation)
      },
    })
  }

  /**
   * It is on the best host that could lend a slot just before: one with the label, then one without any, then one that
   * has the content, then one that does not warm, then the fullest.
   */
  #lent(acquisition: SlotAcquisition, reservation: SlotReservation): void {
    const { host: chosen } = acquisition
    const { label, content } = this.choices.get(reservation)!
    expect(this.#suits(reservation, chosen)).toBe(true)
    const rank = (candidate: InstanceSlots): number => {
      const own = this.labels.get(candidate)
      return label === undefined || own === label ? 0 : own === undefined ? 1 : 2
    }
    const has = (candidate: InstanceSlots): boolean =>
      content !== undefined && this.contents.get(candidate)?.has(content) === true
    const isHeld = (candidate: InstanceSlots): boolean => this.held.has(candidate)
    const useBefore = (candidate: InstanceSlots): number => candidate.inUse - (candidate === chosen ? 1 : 0)
    const order = (a: InstanceSlots, b: InstanceSlots): number =>
      rank(a) - rank(b) ||
      Number(has(b)) - Number(has(a)) ||
      Number(isHeld(a)) - Number(isHeld(b)) ||
      useBefore(b) - useBefore(a)
    expect(this.#lendable().filter((candidate) => candidate !== chosen && order(candidate, chosen) < 0)).toEqual([])
    expect(acquisition.isForContent && !has(chosen)).toBe(false)
    this.held.delete(chosen)
    if (label !== undefined && !this.labels.has(chosen)) this.labels.set(chosen, label)
    this.lent.push(acquisition)
    this.origins.set(acquisition, reservation)
  }

  async connect(acquisition: SlotAcquisition): Promise<void> {
    const { host: on } = acquisition
    const { label } = this.choices.get(this.origins.get(acquisition)!)!
    await acquisition.connect()
    if (label === undefined || this.hostsOfFinalLabel.has(on)) return
    this.labels.set(on, label)
    this.hostsOfFinalLabel.add(on)
  }

  cancel(reservation: SlotReservation): void {
    this.waiting = this.waiting.filter((other) => other !== reservation)
    this.allocator.cancelWait(reservation, new Error('cancelled'))
  }

  release(acquisition: SlotAcquisition): void {
    this.lent = this.lent.filter((other) => other !== acquisition)
    const { host: on } = acquisition
    if (!this.hostsOfFinalLabel.has(on) && !this.lent.some(({ host: other }) => other === on)) this.labels.delete(on)
    acquisition.state = 'released'
    this.allocator.release(acquisition, clock)
  }

  forget(gone: InstanceSlots): void {
    this.hosts.splice(this.hosts.indexOf(gone), 1)
    const lost = this.lent.filter(({ host: on }) => on === gone)
    this.lent = this.lent.filter(({ host: on }) => on !== gone)
    this.allocator.forget(gone, 'it was taken away')
    for (const acquisition of lost) expect(acquisition.signal.reason).toBeInstanceOf(InstanceLostError)
  }

  check(): void {
    this.allocator.setRoom(this.room)
    const { pool, waiting, waitingForLabel, unserved, openReservations, reserved } = this.allocator
    const free = this.#lendable().reduce((sum, { lendable }) => sum + lendable, 0)
    expect(pool.available).toBe(free)
    expect(pool.acquired).toBe(this.lent.length)
    const warming = this.#lendable().filter((each) => this.held.has(each))
    expect(pool.warming).toBe(warming.reduce((sum, { lendable }) => sum + lendable, 0))
    expect(new Set(this.lent.map(({ instanceId, slot }) => `${instanceId}/${slot}`)).size).toBe(this.lent.length)
    for (const { slot } of this.lent) expect(slot >= 0 && slot < this.limits.capacity).toBe(true)
    expect(this.hosts.map(({ label }) => label)).toEqual(this.hosts.map((each) => this.labels.get(each)))
    for (const { useCount, inUse } of this.hosts) {
      expect(useCount).toBeLessThanOrEqual(this.limits.uses)
      expect(inUse).toBeLessThanOrEqual(this.limits.capacity)
    }
    const suited = this.waiting.filter((reservation) =>
      this.#lendable().some((candidate) => this.#suits(reservation, candidate)),
    )
    expect(suited).toEqual([])
    expect(waitingForLabel).toBe(this.waiting.filter((each) => isLabelOnly(this.choices.get(each)!)).length)
    expect([...waiting]).toEqual(this.waiting.toSorted((a, b) => b.priority - a.priority))
    expect(openReservations).toBe(this.open.length)
    expect(reserved).toBe(this.open.filter(({ speculative }) => !speculative).length)
    expect(this.open.filter(({ kind }) => kind === 'slot').length).toBe(Math.min(free, this.open.length))
    expect(unserved).toBe(this.waiting.length + this.open.filter(({ kind }) => kind === 'promised').length)
    const idle = [...pool.idle()]
    expect(new Set(idle)).toEqual(new Set(this.#lendable().filter((each) => each.inUse === 0 && !this.held.has(each))))
    expect(idle.map(({ idleSince }) => idleSince)).toEqual(idle.map(({ idleSince }) => idleSince).sort((a, b) => a - b))
  }

  #lendable(): InstanceSlots[] {
    return this.hosts.filter(({ offered, lendable }) => offered && lendable > 0)
  }

  /** Who comes first of those whom a slot of this host suits. */
  #next(granted: InstanceSlots): SlotReservation | undefined {
    return this.waiting
      .toSorted((a, b) => b.priority - a.priority)
      .find((reservation) => this.#suits(reservation, granted))
  }

  #suits(reservation: SlotReservation, candidate: InstanceSlots): boolean {
    const { label, labelOnly } = this.choices.get(reservation)!
    if (label === undefined || [undefined, label].includes(this.labels.get(candidate))) return true
    return labelOnly !== true && (labelOnly !== 'if_room' || this.#newInstancesUpTo(reservation) > this.room)
  }

  /** So many new instances serve it and those that are served before it, each its own label only. */
  #newInstancesUpTo(reservation: SlotReservation): number {
    const inOrder = this.waiting.toSorted((a, b) => b.priority - a.priority)
    const position = inOrder.indexOf(reservation)
    const before = inOrder.filter((other, index) =>
      position === -1 ? other.priority >= reservation.priority : index < position,
    )
    const labels = [...before, reservation]
      .map((each) => this.choices.get(each)!)
      .filter(isLabelOnly)
      .map(({ label }) => label)
    const slots = Math.min(this.limits.capacity, this.limits.uses)
    return [...new Set(labels)].reduce(
      (sum, label) => sum + Math.ceil(labels.filter((other) => other === label).length / slots),
      0,
    )
  }
}

/** What may happen, with a number that picks on whom. */
const steps: Record<
  string,
  (observed: Observed, pick: <T>(from: readonly T[]) => T | undefined, number: number) => unknown
> = {
  offer(observed) {
    const added = host(`m-${++observed.made}`, observed.limits)
    observed.hosts.push(added)
    observed.allocator.offer(added, clock.now())
  },
  offerHeld(observed) {
    const added = host(`m-${++observed.made}`, observed.limits)
    added.isHeld = true
    observed.held.add(added)
    observed.hosts.push(added)
    observed.allocator.offer(added, clock.now())
  },
  endHold: (observed, pick) =>
    withSome(pick(observed.hosts), (picked) => {
      observed.held.delete(picked)
      observed.allocator.endHold(picked, clock.now())
    }),
  addContent: (observed, pick, number) =>
    withSome(pick(observed.lent), (picked) => {
      const name = number % 2 === 0 ? 'x' : 'y'
      picked.addContent(name)
      observed.contents.set(picked.host, new Set([...(observed.contents.get(picked.host) ?? []), name]))
    }),
  offerAgain: (observed, pick) =>
    withSome(pick(observed.hosts), (picked) => observed.allocator.offer(picked, clock.now())),
  withdraw: (observed, pick) => withSome(pick(observed.hosts), (picked) => observed.allocator.withdraw(picked)),
  forget: (observed, pick) => withSome(pick(observed.hosts), (picked) => observed.forget(picked)),
  reserve: (observed, _, number) =>
    observed.open.push(observed.allocator.reserve({ priority: number % 3, speculative: number % 2 === 0 })),
  unreserve: (observed, pick) =>
    withSome(pick(observed.open), (picked) => {
      observed.open = observed.open.filter((other) => other !== picked)
      observed.allocator.unreserve(picked)
    }),
  acquire: (observed, pick, number) =>
    withSome(pick(observed.open), (picked) => observed.acquire(picked, choices[number % choices.length])),
  cancel: (observed, pick) => withSome(pick(observed.waiting), (picked) => observed.cancel(picked)),
  connect: (observed, pick) => withSome(pick(observed.lent), (picked) => observed.connect(picked)),
  release: (observed, pick) => withSome(pick(observed.lent), (picked) => observed.release(picked)),
  wait: () => clock.advance(1),
  setRoom(observed, _, number) {
    observed.room = number % 4
    observed.allocator.setRoom(observed.room)
  },
}
const choices: SlotChoice[] = [
  {},
  { label: 'a' },
  { label: 'b', labelOnly: true },
  {},
  { label: 'c' },
  { label: 'a', labelOnly: true },
  { labelOnly: true },
  { label: 'a', labelOnly: 'if_room' },
  { label: 'b', labelOnly: 'if_room' },
  { label: 'c', labelOnly: 'if_room' },
  { content: 'x' },
  { content: 'y' },
  { label: 'a', content: 'x' },
  { label: 'b', labelOnly: true, content: 'y' },
]

/** Plays a script in which no instance goes, and returns who was served, in order. */
function served(
  capacity: number,
  script: readonly { readonly act: string; readonly number: number }[],
  contentOf: (number: number) => string | undefined,
): readonly string[] {
  const limits = { capacity, uses: Number.POSITIVE_INFINITY }
  const allocator = new Allocator(limits, lender, () => (position) => 1000 + position)
  const hosts: InstanceSlots[] = []
  const given: string[] = []
  const lent = new Map<string, SlotAcquisition>()
  const waiting = new Map<string, SlotReservation>()
  const pick = <T>(from: Iterable<T>, number: number): T | undefined => {
    const all = [...from]
    return all[number % Math.max(1, all.length)]
  }
  const give = (acquisition: SlotAcquisition, content: string | undefined): void => {
    waiting.delete(acquisition.key)
    given.push(acquisition.key)
    lent.set(acquisition.key, acquisition)
    if (content !== undefined) acquisition.addContent(content)
  }
  const offer = (isHeld: boolean): void => {
    const added = host(`m-${hosts.length}`, limits)
    added.isHeld = isHeld
    hosts.push(added)
    allocator.offer(added, clock.now())
  }
  const ignore = (): void => {}
  const acts: Record<string, (number: number, index: number) => unknown> = {
    offer: () => offer(false),
    offerHeld: () => offer(true),
    endHold: (number) => withSome(pick(hosts, number), (picked) => allocator.endHold(picked, clock.now())),
    acquire: (number, index) => {
      const reservation = allocator.reserve({ key: `job-${index}`, priority: number % 3 })
      const content = contentOf(number)
      const acquisition = allocator.acquire(reservation, { content })
      if (acquisition !== undefined) return give(acquisition, content)
      waiting.set(reservation.key, reservation)
      const resolve = (granted: SlotAcquisition): void => give(granted, content)
      allocator.wait(reservation, {
        since: 0,
        expired: 0,
        onReplanned: undefined,
        unlisten: ignore,
        reject: ignore,
        resolve,
      })
    },
    release: (number) =>
      withSome(pick(lent.values(), number), (picked) => {
        lent.delete(picked.key)
        picked.state = 'released'
        allocator.release(picked, clock)
      }),
    cancel: (number) =>
      withSome(pick(waiting.values(), number), (picked) => {
        waiting.delete(picked.key)
        allocator.cancelWait(picked, new Error('cancelled'))
      }),
  }
  for (const [index, { act, number }] of script.entries()) {
    acts[act]!(number, index)
    given.push(`free: ${allocator.pool.available}`)
  }
  return given
}

const names = Object.keys(steps)
const common = ['reserve', 'acquire', 'release', 'offer']

function isLabelOnly({ label, labelOnly = false }: SlotChoice): boolean {
  return labelOnly !== false && label !== undefined
}

function withSome<T>(value: T | undefined, act: (value: T) => unknown): unknown {
  return value === undefined ? undefined : act(value)
}

describe('Allocator', () => {
  test('lends each slot to one, in order, never lets a slot lie free while somebody waits, and packs by label', async () => {
    const script = fc.array(fc.tuple(fc.constantFrom(...names, ...common, ...common), fc.nat(1000)), {
      minLength: 10,
      maxLength: 120,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(1, 2, 5, Number.POSITIVE_INFINITY),
        script,
        async (capacity, uses, acts) => {
          const observed = new Observed(capacity, uses)
          for (const [name, number] of acts) {
            await steps[name]!(observed, (from) => from[number % Math.max(1, from.length)], number)
            observed.check()
          }
          for (const reservation of observed.waiting) observed.cancel(reservation)
          for (const reservation of observed.open) observed.allocator.unreserve(reservation)
          observed.open = []
          for (const acquisition of observed.lent) observed.release(acquisition)
          observed.check()
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a content that jobs prefer changes neither who is served nor the order in which they are', () => {
    const acts = fc.array(
      fc.record({
        act: fc.constantFrom('offer', 'offerHeld', 'endHold', 'acquire', 'acquire', 'release', 'cancel'),
        number: fc.nat(1000),
      }),
      { minLength: 10, maxLength: 100 },
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), acts, (capacity, script) => {
        const plain = served(capacity, script, () => undefined)
        const choosy = served(capacity, script, (number) => ['x', 'y', undefined][number % 3])
        expect(choosy).toEqual(plain)
      }),
      { numRuns: 300 },
    )
  })

  test('of instances that are alike a job gets the one that has what it prefers, and any where none has', () => {
    const limits = { capacity: 1, uses: Number.POSITIVE_INFINITY }
    const allocator = new Allocator(limits, lender, () => (position) => 1000 + position)
    for (const id of ['m-1', 'm-2', 'm-3']) allocator.offer(host(id, limits), 0)
    const acquire = (content?: string): SlotAcquisition => allocator.acquire(allocator.reserve(undefined), { content })!
    const choices = (all: SlotAcquisition[]): string[] =>
      all.map(({ instanceId, isForContent }) => `${instanceId}${isForContent ? ', for its content' : ''}`)
    const first = [acquire('ruby'), acquire('node'), acquire('go')]
    for (const [index, acquisition] of first.entries()) acquisition.addContent(['ruby', 'node', 'go'][index]!)
    for (const acquisition of first) allocator.release(acquisition, clock)
    expect(choices(first)).toEqual(['m-3', 'm-2', 'm-1'])
    const second = [acquire('ruby'), acquire('rust'), acquire('node')]
    expect(choices(second)).toEqual(['m-3, for its content', 'm-1', 'm-2'])
  })

  test('an instance remembers the fifty names that were used last', () => {
    const { contents } = host('m-1', { capacity: 1, uses: Number.POSITIVE_INFINITY })
    for (let number = 0; number < 50; number++) contents.add(`image-${number}`)
    contents.add('image-0')
    contents.add('one more')
    const remembered = ['image-0', 'image-1', 'image-2', 'one more'].filter((name) => contents.has(name))
    expect(remembered).toEqual(['image-0', 'image-2', 'one more'])
  })

  test('a job that is here takes the slot that a reservation without a job holds, and the reservation keeps a promise', () => {
    const allocator = new Allocator(
      { capacity: 1, uses: Number.POSITIVE_INFINITY },
      lender,
      () => (position) => 1000 + position,
    )
    allocator.offer(host('m-1', { capacity: 1, uses: Number.POSITIVE_INFINITY }), 0)
    const early = allocator.reserve(undefined)
    const late = allocator.reserve(undefined)
    expect([early.kind, late.kind, late.readyAt]).toEqual(['slot', 'promised', 1000])
    const acquisition = allocator.acquire(late)!
    expect([early.kind, early.readyAt]).toEqual(['promised', 1000])
    allocator.release(acquisition, clock)
    expect(early.kind).toBe('slot')
  })

  test('a job without a label gets the fullest instance, among equals the one used last, whatever labels there are', async () => {
    const limits = { capacity: 2, uses: Number.POSITIVE_INFINITY }
    const allocator = new Allocator(limits, lender, () => (position) => 1000 + position)
    for (const id of ['m-1', 'm-2', 'm-3']) allocator.offer(host(id, limits), 0)
    const acquire = (label?: string): SlotAcquisition => allocator.acquire(allocator.reserve(undefined), { label })!
    const taken = [acquire('a'), acquire('b'), acquire('c'), acquire(), acquire()]
    for (const acquisition of taken) await acquisition.connect()
    expect(taken.map(({ instanceId }) => instanceId)).toEqual(['m-3', 'm-2', 'm-1', 'm-1', 'm-2'])
    for (const acquisition of taken) allocator.release(acquisition, clock)
    expect([acquire().instanceId, acquire('c').instanceId, acquire('a').instanceId]).toEqual(['m-2', 'm-1', 'm-3'])
  })

  test('an instance keeps no label of a job that had no connection to it', async () => {
    const limits = { capacity: 1, uses: Number.POSITIVE_INFINITY }
    const allocator = new Allocator(limits, lender, () => (position) => 1000 + position)
    const only = host('m-1', limits)
    allocator.offer(only, 0)
    const acquire = (label: string): SlotAcquisition => allocator.acquire(allocator.reserve(undefined), { label })!
    const [cancelled, labels] = [acquire('a'), [only.label]]
    allocator.release(cancelled, clock)
    labels.push(only.label)
    const connected = acquire('b')
    await connected.connect()
    allocator.release(connected, clock)
    expect([...labels, only.label]).toEqual(['a', undefined, 'b'])
  })

  test('a job that wants none of another label waits beside free slots, and holds up nobody behind it', async () => {
    const limits = { capacity: 1, uses: Number.POSITIVE_INFINITY }
    const allocator = new Allocator(limits, lender, () => (position) => 1000 + position)
    const served: string[] = []
    const begin = (key: string, choice: SlotChoice): SlotAcquisition | undefined => {
      const reservation = allocator.reserve({ key })
      const acquisition = allocator.acquire(reservation, choice)
      const resolve = (granted: SlotAcquisition): void => void served.push(`${granted.key} on ${granted.instanceId}`)
      if (acquisition === undefined)
        allocator.wait(reservation, {
          since: 0,
          expired: 0,
          onReplanned: undefined,
          unlisten: () => {},
          reject: () => {},
          resolve,
        })
      return acquisition
    }
    allocator.offer(host('m-1', limits), 0)
    const first = begin('first', { label: 'a' })!
    await first.connect()
    begin('choosy', { label: 'b', labelOnly: true })
    begin('behind', { label: 'a' })
    allocator.release(first, clock)
    expect([served, allocator.waitingForLabel]).toEqual([['behind on m-1'], 1])
    allocator.offer(host('m-2', limits), 0)
    expect([served, allocator.waitingForLabel]).toEqual([['behind on m-1', 'choosy on m-2'], 0])
    expect(begin('next', { label: 'c', labelOnly: true })).toBeUndefined()
  })

  test('a job waits for a new instance while there is room for one, and gets one of another label once there is none', async () => {
    const limits = { capacity: 1, uses: Number.POSITIVE_INFINITY }
    const allocator = new Allocator(limits, lender, () => (position) => 1000 + position)
    allocator.setRoom(1)
    const served: string[] = []
    const begin = (label: string): string | undefined => {
      const reservation = allocator.reserve(undefined)
      const acquisition = allocator.acquire(reservation, { label, labelOnly: 'if_room' })
      if (acquisition === undefined)
        allocator.wait(reservation, {
          since: 0,
          expired: 0,
          onReplanned: undefined,
          unlisten: () => {},
          reject: () => {},
          resolve: ({ instanceId }) => void served.push(`${label} on ${instanceId}`),
        })
      return acquisition?.instanceId
    }
    const first = ['m-1', 'm-2', 'm-3'].map((id) => {
      allocator.offer(host(id, limits), 0)
      return allocator.acquire(allocator.reserve(undefined), { label: 'a' })!
    })
    for (const acquisition of first) {
      await acquisition.connect()
      allocator.release(acquisition, clock)
    }
    expect([begin('b'), begin('c'), served]).toEqual([undefined, 'm-3', []])
    expect(allocator.setRoom(1)).toBe(false)
    expect([served, allocator.waitingForLabel]).toEqual([[], 1])
    expect(allocator.setRoom(0)).toBe(true)
    expect([served, allocator.waitingForLabel]).toEqual([['b on m-2'], 0])
    expect([begin('d'), allocator.pool.available]).toEqual(['m-1', 0])
  })

  test('promises that expire are dated anew, and waits among them are told', () => {
    let base = 1000
    const allocator = new Allocator(
      { capacity: 1, uses: Number.POSITIVE_INFINITY },
      lender,
      () => (position) => base + position,
    )
    const [first, second, third] = [
      allocator.reserve(undefined),
      allocator.reserve(undefined),
      allocator.reserve(undefined),
    ]
    expect(allocator.acquire(second)).toBeUndefined()
    allocator.wait(second, {
      since: 0,
      expired: 0,
      onReplanned: undefined,
      unlisten: () => {},
      reject: () => {},
      resolve: () => {},
    })
    expect([first.readyAt, second.readyAt, third.readyAt, allocator.firstExpiry]).toEqual([1000, 1000, 1002, 1000])
    expect(allocator.redate(999)).toEqual([])
    base = 2000
    expect(allocator.redate(1001)).toEqual([second])
    expect([first.readyAt, second.readyAt, third.readyAt, allocator.firstExpiry]).toEqual([2001, 2000, 1002, 1002])
    allocator.cancelWait(second, new Error('cancelled'))
    allocator.unreserve(first)
    allocator.unreserve(third)
    expect(allocator.firstExpiry).toBe(Number.POSITIVE_INFINITY)
  })
})
