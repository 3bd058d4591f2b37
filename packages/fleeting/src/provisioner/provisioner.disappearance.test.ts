import { describe, expect, it, vi } from 'vitest'
import { type FleetOptions, type MemoryFleet, never, startFleet } from '../../test/memory-fleet.ts'
import { GroupError } from '../contract/errors.ts'
import type { ListedInstance } from '../contract/instance-group.ts'
import { type Logger, silentLogger } from '../contract/logger.ts'

/** A cloud that cannot be asked for single instances: only lists and connections tell. */
const listsOnly = { byId: false }

function lastWords(fleet: MemoryFleet): readonly string[] {
  return fleet.changes.flatMap(({ kind, instance }) => (kind === 'gone' ? [instance.id] : []))
}

/** A fleet whose instances are all in use, each with its connection. */
async function leasedFleet(count: number, options: FleetOptions = {}): Promise<MemoryFleet> {
  const fleet = await startFleet({ maxSize: 2 * count, ...options })
  for (const id of await fleet.launch(count)) {
    fleet.busy.add(id)
    await fleet.provisioner.connect(id, 0, never)
  }
  await fleet.clock.advance(60_000)
  fleet.changes.length = 0
  return fleet
}

/** From now on `list` answers `rows`, as often as `times` tells, and then the truth. */
function lie(
  fleet: MemoryFleet,
  rows: readonly ListedInstance[],
  times = Infinity,
): { readonly stop: () => void; readonly lists: () => number } {
  const truth = fleet.group.list.bind(fleet.group)
  let left = times
  const spy = vi.spyOn(fleet.group, 'list').mockImplementation(async (signal) => {
    left -= 1
    return left >= 0 ? rows : truth(signal)
  })
  return { stop: () => spy.mockRestore(), lists: () => spy.mock.calls.length }
}

describe.each([
  ['that can be asked by id', {}],
  ['that only lists', listsOnly],
])('in a cloud %s', (_, tells) => {
  it('20 leased instances survive two empty lists', async () => {
    await using fleet = await leasedFleet(20, { tells })
    lie(fleet, [], 2)
    await fleet.clock.advance(120_000)
    expect(lastWords(fleet)).toEqual([])
    expect(fleet.calls('decrease')).toEqual([])
    expect(fleet.group.ids).toHaveLength(20)
    expect(fleet.instances.every(({ missed, healthy }) => !missed && healthy)).toBe(true)
  })

  it('20 leased instances survive lists that are empty for ten minutes, and their connections stay', async () => {
    await using fleet = await leasedFleet(20, { tells })
    const connections = await Promise.all(fleet.ids.map((id) => fleet.provisioner.connect(id, 0, never)))
    const lying = lie(fleet, [])
    await fleet.clock.advance(600_000)
    expect(lastWords(fleet)).toEqual([])
    expect(fleet.provisioner.massDisappearanceSince).toBeDefined()
    lying.stop()
    await fleet.clock.advance(60_000)
    expect(fleet.provisioner.massDisappearanceSince).toBeUndefined()
    expect(fleet.calls('decrease')).toEqual([])
    expect(connections.filter(({ ended }) => ended !== undefined)).toEqual([])
  })

  it('one leased instance of many survives a list that leaves it out for ten minutes', async () => {
    await using fleet = await leasedFleet(5, { tells })
    const [left] = fleet.ids
    const rows = (await fleet.group.list(never)).filter(({ id }) => id !== left)
    lie(fleet, rows)
    await fleet.clock.advance(600_000)
    expect(lastWords(fleet)).toEqual([])
    expect(fleet.provisioner.instances().get(left!)).toMatchObject({
      missed: true,
      healthy: false,
      missingSince: expect.any(Number),
    })
    expect(fleet.provisioner.massDisappearanceSince).toBeUndefined()
  })

  it('one that was missing before its delete is not gone while the delete has no effect', async () => {
    await using fleet = await leasedFleet(1, { tells })
    const [id] = fleet.ids
    const lying = lie(fleet, [])
    await fleet.clock.advance(60_000)
    const decrease = vi.spyOn(fleet.group, 'decrease').mockImplementation(async (ids) => ({ accepted: ids }))
    fleet.busy.clear()
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(120_000)
    expect(decrease).toHaveBeenCalled()
    expect(lastWords(fleet)).toEqual([])
    decrease.mockRestore()
    await fleet.clock.advance(600_000)
    expect(lastWords(fleet)).toEqual([id])
    lying.stop()
  })

  it('one that is really gone is given up in time', async () => {
    await using fleet = await leasedFleet(5, { tells })
    const [gone] = fleet.ids
    fleet.group.preempt(gone!)
    await fleet.clock.advance(tells === listsOnly ? 15_000 : 300)
    expect(lastWords(fleet)).toEqual([gone])
    expect(fleet.changes.at(-1)).toMatchObject({ kind: 'gone', lost: true })
  })

  it('all that are really gone at once are given up in time', async () => {
    await using fleet = await leasedFleet(5, { tells })
    const ids = fleet.ids
    for (const id of ids) fleet.group.preempt(id)
    await fleet.clock.advance(tells === listsOnly ? 50_000 : 300)
    expect(lastWords(fleet)).toEqual(tells === listsOnly ? [] : ids)
    await fleet.clock.advance(15_000)
    expect(lastWords(fleet)).toEqual(ids)
    expect(fleet.provisioner.massDisappearanceSince).toBeUndefined()
  })
})

it('reads a replica that is late by less than the lag without giving anything up', async () => {
  await using fleet = await startFleet({ tells: listsOnly, maxSize: 40 })
  const before = await fleet.group.list(never)
  for (const id of await fleet.launch(20)) fleet.busy.add(id)
  await fleet.clock.advance(60_000)
  fleet.changes.length = 0
  const lying = lie(fleet, before)
  await fleet.clock.advance(9_000)
  lying.stop()
  await fleet.clock.advance(60_000)
  expect(lastWords(fleet)).toEqual([])
  expect(fleet.calls('decrease')).toEqual([])
})

it('believes the lists of a group that says that they are late only over that time', async () => {
  await using fleet = await startFleet({ tells: listsOnly, listLagMs: 45_000, connectable: false })
  fleet.provisioner.request(1, { reason: 'test' })
  await fleet.clock.advance(120_000)
  const [id] = fleet.ids
  const goneAt = fleet.clock.now()
  fleet.group.preempt(id!)
  // The list shows it for as long as it is late, and its absence is believed after as long again.
  await fleet.clock.advance(85_000)
  expect(fleet.ids).toEqual([id])
  await fleet.clock.advance(75_000)
  expect(fleet.ids).toEqual([])
  expect(fleet.changes.at(-1)).toMatchObject({ kind: 'gone', lost: true })
  expect(goneAt).toBeLessThan(fleet.clock.now())
})

it('does not believe a denial of a cloud that may not know a new instance yet', async () => {
  await using fleet = await startFleet()
  fleet.provisioner.request(1, { reason: 'test' })
  await fleet.clock.advance(1000)
  const [id] = fleet.ids
  fleet.group.describe = async (ids) => ids.map((each) => ({ id: each, state: 'deleted' }))
  lie(fleet, [], 2)
  await fleet.clock.advance(60_000)
  expect(fleet.ids).toEqual([id])
  expect(lastWords(fleet)).toEqual([])
})

it('an answer by id that fails, says nothing, or speaks of others changes nothing', async () => {
  await using fleet = await leasedFleet(2)
  fleet.group.dropConnections()
  fleet.group.unreachable = 'all'
  const answers = [
    () => Promise.reject(new GroupError('throttled', 'slow down')),
    async () => [],
    async () => [{ id: 'another', state: 'deleted' as const }],
    async () => 'nothing' as unknown as readonly ListedInstance[],
  ]
  let asked = 0
  fleet.group.describe = async () => answers[asked++ % answers.length]!()
  lie(fleet, [])
  await fleet.clock.advance(8_000)
  expect(asked).toBeGreaterThan(1)
  expect(lastWords(fleet)).toEqual([])
})

it('asks an instance that is denied, or was on its way out, and answers, once for each list', async () => {
  await using fleet = await leasedFleet(2)
  const [leaving] = fleet.ids
  fleet.group.setState(leaving!, 'deleting')
  await fleet.clock.advance(10_000)
  const connection = await fleet.provisioner.connect(leaving!, 0, never)
  const check = vi.spyOn(connection, 'check')
  fleet.group.describe = async (ids) => ids.map((id) => ({ id, state: 'deleted' }))
  const { lists } = lie(fleet, [])
  await fleet.clock.advance(30_000)
  expect(lastWords(fleet)).toEqual([])
  expect(check.mock.calls.length).toBeGreaterThan(1)
  expect(check.mock.calls.length).toBeLessThanOrEqual(lists())
})

it('tells once of a missing instance that lives, and of a mass that is missing', async () => {
  const lines: string[] = []
  const note =
    (level: string): Logger['info'] =>
    (_, message) =>
      lines.push(`${level} ${message}`)
  const logger: Logger = { ...silentLogger, warn: note('warn'), error: note('error'), info: note('info') }
  await using fleet = await leasedFleet(3, { provisioner: { logger } })
  lines.length = 0
  const lying = lie(fleet, [])
  await fleet.clock.advance(300_000)
  lying.stop()
  await fleet.clock.advance(10_000)
  expect(lines.filter((line) => /missing from list/.test(line))).toHaveLength(3)
  expect(lines.filter((line) => /missing from the list, but alive/.test(line))).toHaveLength(3)
  expect(lines.filter((line) => /many instances are missing/.test(line))).toHaveLength(1)
  expect(lines.filter((line) => /mass disappearance is over/.test(line))).toHaveLength(1)
})

it('asks for many missing instances by id in turns, a hundred at a time', async () => {
  await using fleet = await startFleet({ maxSize: 500 })
  expect(fleet.provisioner.request(450, { reason: 'test' })).toBe(450)
  await fleet.clock.advance(30_000)
  expect(fleet.ids).toHaveLength(450)
  lie(fleet, [])
  await fleet.clock.advance(120_000)
  const sizes = fleet.calls('describe').map(({ ids }) => ids!.length)
  expect(Math.max(...sizes)).toBe(100)
  expect(new Set(fleet.calls('describe').flatMap(({ ids }) => ids!)).size).toBe(450)
  expect(lastWords(fleet)).toEqual([])
})

describe('an instance that was given up and comes back', () => {
  const givenUp = async (): Promise<MemoryFleet> => {
    const fleet = await leasedFleet(1, { tells: listsOnly })
    const [id] = fleet.ids
    fleet.group.dropConnections()
    fleet.group.unreachable = 'all'
    const lying = lie(fleet, [])
    await fleet.clock.advance(30_000)
    expect(lastWords(fleet)).toEqual([id])
    // Who used it has been told that it is lost.
    fleet.busy.clear()
    lying.stop()
    return fleet
  }

  it('is not deleted as long as it answers, nor given work', async () => {
    await using fleet = await givenUp()
    fleet.group.unreachable = new Set()
    await fleet.clock.advance(600_000)
    expect(fleet.instances).toMatchObject([{ removal: { reason: 'came back after it was lost' } }])
    expect(fleet.calls('decrease')).toEqual([])
    fleet.group.dropConnections()
    fleet.group.unreachable = 'all'
    await fleet.clock.advance(30_000)
    expect(fleet.group.ids).toEqual([])
  })

  it('is deleted at once when it does not answer', async () => {
    await using fleet = await givenUp()
    await fleet.clock.advance(65_000)
    expect(fleet.group.ids).toEqual([])
    expect(fleet.ids).toEqual([])
  })

  it('is deleted after a quarter of an hour though it answers, since nobody will use it', async () => {
    await using fleet = await givenUp()
    fleet.group.unreachable = new Set()
    await fleet.clock.advance(1_000_000)
    expect(fleet.group.ids).toEqual([])
  })
})
