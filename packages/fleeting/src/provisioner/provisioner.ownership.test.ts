import { describe, expect, it } from 'vitest'
import { type FleetOptions, MemoryFleet, never } from '../../test/memory-fleet.ts'
import { GroupError } from '../contract/errors.ts'
import type { GroupOwner } from '../contract/group-owner.ts'
import { MemoryStateStore } from '../state/memory-state-store.ts'
import { GroupOwnedError } from './group-owned-error.ts'
import type { OwnerOptions, ProvisionerOptions } from './options.ts'
import { Provisioner } from './provisioner.ts'

/** Several managers, each with a state of its own, on one group. */
class SharedGroup {
  readonly fleet: MemoryFleet
  readonly #started: Provisioner[] = []

  constructor(options: FleetOptions = {}) {
    this.fleet = new MemoryFleet({ holdsOwner: true, ...options })
  }

  /** A process on this state, or without any. */
  async start(
    store: MemoryStateStore | undefined,
    owner: OwnerOptions = {},
    options: Partial<ProvisionerOptions> = {},
  ): Promise<Provisioner> {
    const { group, clock } = this.fleet
    const lease = store && { lease: await store.lease('test', { takeover: true }) }
    const provisioner = await Provisioner.start(
      { group, clock, ...lease, owner: { name: 'fleet test', ...owner }, ...options },
      never,
    )
    this.#started.push(provisioner)
    return provisioner
  }

  /** Why a start is refused. */
  async refusal(store: MemoryStateStore | undefined, owner: OwnerOptions = {}): Promise<unknown> {
    return this.start(store, owner).then(
      () => 'it did start',
      (error: unknown) => error,
    )
  }

  async launch(provisioner: Provisioner, count: number): Promise<readonly string[]> {
    expect(provisioner.request(count, { reason: 'test' })).toBe(count)
    await this.fleet.clock.advance(10_000)
    return [...provisioner.instances().keys()]
  }

  get deletes(): number {
    return this.fleet.calls('decrease').length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = this.#started.map((provisioner) => provisioner.shutdown({ removeInstances: false }))
    await this.fleet.clock.advance(120_000)
    await Promise.all(ends)
    expect(this.fleet.clock.pendingTimers).toBe(0)
  }
}

describe('a second manager with a state of its own, on a group that holds an owner', () => {
  it('is refused and told who has the group since when, and nothing is deleted', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(new MemoryStateStore())
    const ids = await shared.launch(first, 3)
    const error = await shared.refusal(new MemoryStateStore())
    expect(error).toBeInstanceOf(GroupOwnedError)
    expect(error).toMatchObject({
      code: 'group_owned',
      groupId: 'memory/test',
      owner: { name: 'fleet test', epoch: 1 },
    })
    expect((error as Error).message).toMatch(
      /memory\/test belongs to fleet test \(owner .*, epoch 1\) since 1970.*take_over_group = true/,
    )
    await shared.fleet.clock.advance(600_000)
    expect(shared.fleet.group.ids).toEqual(ids)
    expect(shared.deletes).toBe(0)
  })

  it('takes the group when it is told to, and the first one stops before its next delete', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(new MemoryStateStore())
    const ids = await shared.launch(first, 2)
    const second = await shared.start(new MemoryStateStore(), { mayTake: 'any' })
    expect([...second.instances().values()].map(({ cause }) => cause)).toEqual(['adopted', 'adopted'])
    first.remove(ids, 'test')
    await shared.fleet.clock.advance(600_000)
    expect(shared.deletes).toBe(0)
    expect(first.fenced).toMatchObject({ code: 'group_owned', owner: { epoch: 1 } })
    expect(first.request(1, { reason: 'test' })).toBe(0)
    second.remove(ids.slice(0, 1), 'test')
    await shared.fleet.clock.advance(60_000)
    expect(shared.fleet.group.ids).toEqual(ids.slice(1))
  })

  it('looks again before it sends a delete again', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(new MemoryStateStore())
    const ids = await shared.launch(first, 1)
    shared.fleet.group.deletesIgnored = 1
    first.remove(ids, 'test')
    await shared.fleet.clock.advance(1000)
    expect(shared.deletes).toBe(1)
    await shared.start(new MemoryStateStore(), { mayTake: 'any' })
    await shared.fleet.clock.advance(600_000)
    expect(shared.deletes).toBe(1)
    expect(first.fenced).toBeInstanceOf(GroupOwnedError)
  })

  it('may have a group whose instances the first one has removed', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(new MemoryStateStore())
    await shared.launch(first, 2)
    const ending = first.shutdown({ removeInstances: true })
    await shared.fleet.clock.advance(60_000)
    expect(await ending).toEqual({ remaining: [] })
    expect(shared.fleet.group.owner).toBeUndefined()
    await shared.start(new MemoryStateStore())
  })

  it('is refused while the first one has left instances', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(new MemoryStateStore())
    await shared.launch(first, 1)
    await first.shutdown({ removeInstances: false })
    expect(await shared.refusal(new MemoryStateStore())).toBeInstanceOf(GroupOwnedError)
  })
})

describe('the next process with the same state', () => {
  it('has the group at once, with a higher epoch, and the one before is over for the group as well', async () => {
    await using shared = new SharedGroup()
    const store = new MemoryStateStore()
    await shared.start(store)
    const { id } = shared.fleet.group.owner!
    await shared.start(store)
    expect(shared.fleet.group.owner).toMatchObject({ id, epoch: 2 })
  })

  it('is over when a later process of its state has the group, whatever its lease believes', async () => {
    await using shared = new SharedGroup()
    const only = await shared.start(new MemoryStateStore())
    const ids = await shared.launch(only, 1)
    const { owner } = shared.fleet.group
    shared.fleet.group.owner = { ...owner!, epoch: 7 }
    only.remove(ids, 'test')
    await shared.fleet.clock.advance(600_000)
    expect(shared.deletes).toBe(0)
    expect(only.fenced).toBeInstanceOf(GroupOwnedError)
  })

  it('is refused where its state is older than what the group says, as one out of a backup is', async () => {
    await using shared = new SharedGroup()
    const store = new MemoryStateStore()
    await shared.start(store)
    shared.fleet.group.owner = { ...shared.fleet.group.owner!, epoch: 7 }
    expect(await shared.refusal(store)).toMatchObject({ owner: { epoch: 7 } })
  })
})

describe('an owner that is gone from its group, or an earlier one of ours', () => {
  it.each([
    ['gone', () => undefined],
    ['earlier', (fleet: MemoryFleet) => ({ ...fleet.group.owner!, epoch: 1 })],
  ] as const)('is written again before the next delete: %s', async (_, bent) => {
    await using shared = new SharedGroup()
    const store = new MemoryStateStore()
    await shared.start(store)
    const second = await shared.start(store)
    const written = shared.fleet.group.owner
    const ids = await shared.launch(second, 1)
    shared.fleet.group.owner = bent(shared.fleet)
    second.remove(ids, 'test')
    await shared.fleet.clock.advance(60_000)
    expect(shared.fleet.group.ids).toEqual([])
    expect(shared.fleet.group.owner).toMatchObject({ id: written!.id, epoch: 2 })
  })
})

describe('a manager without state', () => {
  it('has its group again after it was killed, by the identity of its installation', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(undefined, { id: 'here', mayTake: 'own' })
    const ids = await shared.launch(first, 1)
    const second = await shared.start(undefined, { id: 'here', mayTake: 'own' })
    expect([...second.instances().values()]).toMatchObject([{ cause: 'adopted' }])
    expect(shared.fleet.group.owner).toMatchObject({ id: 'here', epoch: 2 })
    first.remove(ids, 'test')
    await shared.fleet.clock.advance(60_000)
    expect(shared.deletes).toBe(0)
  })

  it('is refused on the group of another installation', async () => {
    await using shared = new SharedGroup()
    await shared.start(undefined, { id: 'here' })
    expect(await shared.refusal(undefined, { id: 'there' })).toMatchObject({ owner: { id: 'here' } })
  })

  it('is refused on a group that has an owner, where it has no identity, and claims none otherwise', async () => {
    await using shared = new SharedGroup()
    await shared.start(undefined)
    expect(shared.fleet.group.owner).toBeUndefined()
    await shared.start(undefined, { id: 'here' })
    expect(await shared.refusal(undefined)).toMatchObject({ owner: { id: 'here' } })
  })

  it('leaves its group to the first state that its installation keeps', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(undefined, { id: 'here', mayTake: 'own' })
    await shared.launch(first, 1)
    const second = await shared.start(new MemoryStateStore(), { id: 'here', mayTake: 'own' })
    expect([...second.instances().values()]).toMatchObject([{ cause: 'adopted' }])
    expect(shared.fleet.group.owner!.id).not.toBe('here')
  })
})

describe.each([
  ['that holds no owner', false],
  ['that names no owner', true],
])('a group %s', (_, holdsOwner) => {
  it('is refused by a new state when it has instances, unless such a group may be taken', async () => {
    await using shared = new SharedGroup({ holdsOwner })
    shared.fleet.group.addForeign()
    const error = await shared.refusal(new MemoryStateStore(), { mayTake: 'own' })
    expect(error).toMatchObject({
      code: 'group_owned',
      owner: undefined,
      message: expect.stringContaining('has 1 instances'),
    })
    expect(await shared.refusal(undefined, { id: 'here', mayTake: 'own' })).toBeInstanceOf(GroupOwnedError)
    await shared.start(new MemoryStateStore())
  })

  it('is begun with by a new state when it is empty, and again by the same state', async () => {
    await using shared = new SharedGroup({ holdsOwner })
    const store = new MemoryStateStore()
    const first = await shared.start(store, { mayTake: 'own' })
    await shared.launch(first, 1)
    shared.fleet.group.owner = undefined
    await shared.start(store, { mayTake: 'own' })
  })
})

describe('a claim', () => {
  it('is read back until it shows, since a read may be older than the write before it', async () => {
    await using shared = new SharedGroup()
    const { group, clock } = shared.fleet
    const owners = group.owners!
    let stale = 3
    Object.assign(group, { owners: async (signal: AbortSignal) => (stale-- > 0 ? [] : owners(signal)) })
    const starting = shared.start(new MemoryStateStore())
    await clock.advance(5000)
    await starting
    expect(stale).toBeLessThan(0)
  })

  it('that another one wrote over in the same moment is none: the start is refused', async () => {
    await using shared = new SharedGroup()
    const { group, clock } = shared.fleet
    const claim = group.claim!
    Object.assign(group, {
      claim: (owner: GroupOwner, signal: AbortSignal) => claim({ ...owner, id: 'faster' }, signal),
    })
    const refused = shared.refusal(new MemoryStateStore())
    await clock.advance(10_000)
    expect(await refused).toMatchObject({ code: 'group_owned', owner: { id: 'faster' } })
  })
})

describe('a group whose owner cannot be read or written', () => {
  it('loses no instance meanwhile, and its deletes go out once it can be read', async () => {
    await using shared = new SharedGroup()
    const first = await shared.start(new MemoryStateStore())
    const ids = await shared.launch(first, 1)
    shared.fleet.group.fail('owners', new GroupError('transient', 'no answer'), 2)
    first.remove(ids, 'test')
    await shared.fleet.clock.advance(500)
    expect(shared.deletes).toBe(0)
    await shared.fleet.clock.advance(600_000)
    expect(shared.deletes).toBe(1)
  })

  it('is worked with all the same where the permission to write on it is missing', async () => {
    await using shared = new SharedGroup()
    shared.fleet.group.fail('claim', new GroupError('auth', 'not allowed'), Infinity)
    const first = await shared.start(new MemoryStateStore())
    const ids = await shared.launch(first, 1)
    first.remove(ids, 'test')
    await shared.fleet.clock.advance(60_000)
    expect(shared.fleet.group.ids).toEqual([])
  })

  it('is not begun with when the claim fails otherwise', async () => {
    await using shared = new SharedGroup()
    shared.fleet.group.fail('claim', new GroupError('transient', 'no answer'))
    expect(await shared.refusal(new MemoryStateStore())).toMatchObject({ code: 'transient' })
  })
})

it('a survey says who has the group, and claims nothing', async () => {
  const { group, clock } = new MemoryFleet({ holdsOwner: true })
  const lease = await new MemoryStateStore().lease('test')
  expect(await Provisioner.survey({ group, clock, lease, owner: { id: 'here' } }, never)).toMatchObject({ owners: [] })
  expect(group.owner).toBeUndefined()
  const owner = { id: 'there', name: 'fleet of somebody', epoch: 3, since: 0 }
  group.owner = owner
  expect(await Provisioner.survey({ group, clock, lease, owner: { id: 'here', mayTake: 'own' } }, never)).toMatchObject(
    { owners: [owner] },
  )
  expect(group.owner).toBe(owner)
  expect(group.calls.slice(0, 4).map(({ operation }) => operation)).toEqual(['init', 'list', 'owners', 'shutdown'])
})

it('a survey says nothing of an owner where the group holds none', async () => {
  const { group, clock } = new MemoryFleet({ holdsOwner: false })
  expect(await Provisioner.survey({ group, clock }, never)).not.toHaveProperty('owners')
})
