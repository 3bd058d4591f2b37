import { describe, expect, it } from 'vitest'
import { GroupError } from '../contract/errors.ts'
import type { GroupOwner } from '../contract/group-owner.ts'
import { Provisioner } from '../provisioner/provisioner.ts'
import { MemoryStateStore } from '../state/memory-state-store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryGroup } from '../testing/memory-group.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { MultiGroup } from './multi-group.ts'

const never = new AbortController().signal
const owner: GroupOwner = { id: 'here', name: 'fleet test', epoch: 2, since: 0 }
const other: GroupOwner = { id: 'there', name: 'fleet of somebody', epoch: 1, since: 0 }

/** `a` and `b` hold an owner, `c` does not. */
function make() {
  const clock = new ManualClock()
  const group = (holdsOwner: boolean): MemoryGroup => new MemoryGroup({ clock, maxSize: 10, holdsOwner })
  const groups = { a: group(true), b: group(true), c: group(false) }
  const lines: string[] = []
  const log = (_fields: object, message: string): void => void lines.push(message)
  const multi = new MultiGroup({
    id: 'multi/test',
    members: (['a', 'b', 'c'] as const).map((name) => ({ name, create: () => groups[name] })),
    prefer: 'weight',
    clock,
    random: seededRandom(1),
    logger: { debug: log, info: log, warn: log, error: log },
  })
  const looks = (name: 'a' | 'b'): readonly (readonly string[] | undefined)[] =>
    groups[name].calls.flatMap(({ operation, ids }) => (operation === 'owners' ? [ids] : []))
  return { clock, ...groups, multi, lines, looks }
}

async function start() {
  const made = make()
  await made.multi.init(never)
  return made
}

describe('the owner of a group of groups', () => {
  it('is written on each member that holds one, and taken from each', async () => {
    const { multi, a, b } = await start()
    await multi.claim!(owner, never)
    expect([a.owner, b.owner]).toEqual([owner, owner])
    expect(await multi.owners!(never)).toEqual([owner, owner])
    await multi.claim!(undefined, never)
    expect(await multi.owners!(never)).toEqual([])
  })

  it('is read of the members alone that have the instances, under their own ids', async () => {
    const { multi, a, b, looks } = await start()
    a.owner = owner
    b.owner = other
    expect(await multi.owners!(never, ['a/m-1', 'c/m-7', 'a/m-2'])).toEqual([owner])
    expect([looks('a'), looks('b')]).toEqual([[['m-1', 'm-2']], []])
    expect(await multi.owners!(never, ['c/m-7'])).toEqual([])
  })

  it('is not known where a member that could name another one fails to answer', async () => {
    const { multi, b } = await start()
    b.fail('owners', new GroupError('transient', 'down'))
    await expect(multi.owners!(never)).rejects.toMatchObject({ code: 'transient' })
  })

  it('is claimed all the same where one member may not be written on, with a warning', async () => {
    const { multi, a, b, lines } = await start()
    a.fail('claim', new GroupError('auth', 'no permission'))
    await multi.claim!(owner, never)
    expect(b.owner).toEqual(owner)
    expect(lines).toContain('group cannot be claimed, so another manager is not noticed')
  })

  it('is not claimed where a member fails otherwise, as alone', async () => {
    const { multi, a } = await start()
    a.fail('claim', new GroupError('transient', 'down'))
    await expect(multi.claim!(owner, never)).rejects.toMatchObject({ code: 'transient' })
  })

  it('is held by no group of groups whose members hold none', async () => {
    const clock = new ManualClock()
    const members = [{ name: 'c', create: () => new MemoryGroup({ clock, maxSize: 10 }) }]
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const multi = new MultiGroup({ id: 'multi/test', members, clock, random: seededRandom(1), logger })
    await multi.init(never)
    expect([typeof multi.owners, typeof multi.claim]).toEqual(['undefined', 'undefined'])
  })
})

describe('a member that can be initialised only later', () => {
  async function startWithoutB(bOwner: GroupOwner | undefined) {
    const made = make()
    const { multi, b, clock } = made
    b.owner = bOwner
    b.fail('init', new GroupError('transient', 'down'))
    await multi.init(never)
    await multi.claim!(owner, never)
    expect(b.owner).toEqual(bOwner)
    const list = async (): Promise<readonly string[]> => {
      await clock.advance(600_000)
      return (await multi.list(never)).map(({ id }) => id)
    }
    return { ...made, list }
  }

  it('is claimed when it joins', async () => {
    const { b, list } = await startWithoutB(undefined)
    await list()
    expect(b.owner).toEqual(owner)
  })

  it('is claimed from an earlier process of ours', async () => {
    const { b, list } = await startWithoutB({ ...owner, epoch: 1 })
    await list()
    expect(b.owner).toEqual(owner)
  })

  it('stays out, with its owner in the reason, where it is another one’s: none of its instances is listed', async () => {
    const { multi, a, b, list } = await startWithoutB(other)
    a.addForeign()
    b.addForeign()
    expect(await list()).toEqual(['a/m-1'])
    expect(b.owner).toEqual(other)
    expect(multi.partTrouble()).toMatch(/b: .*belongs to fleet of somebody \(owner there\)/)
  })
})

it('a provisioner of a group of groups deletes nothing on a member that another manager has taken, and stops', async () => {
  const { multi, a, b, clock } = make()
  const lease = await new MemoryStateStore().lease('test')
  const provisioner = await Provisioner.start({ group: multi, clock, random: seededRandom(1), lease }, never)
  expect(provisioner.request(4, { reason: 'test' })).toBe(4)
  await clock.advance(30_000)
  const [ofA, ofB] = ['a/', 'b/'].map((name) => [...provisioner.instances().keys()].filter((id) => id.startsWith(name)))
  expect([ofA!.length > 0, ofB!.length > 0]).toEqual([true, true])
  const before = b.ids
  b.owner = other
  provisioner.remove(ofA!.slice(0, 1), 'test')
  await clock.advance(60_000)
  expect(provisioner.fenced).toBeUndefined()
  provisioner.remove(ofB!, 'test')
  await clock.advance(60_000)
  expect(provisioner.fenced).toMatchObject({ code: 'group_owned', owner: other })
  expect(b.ids).toEqual(before)
  expect(a.owner?.id).not.toBe(other.id)
  const ending = provisioner.shutdown({ removeInstances: false })
  await clock.advance(60_000)
  await ending
})
