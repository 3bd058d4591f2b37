import { expect, it } from 'vitest'
import { never } from '../../test/memory-fleet.ts'
import { GroupError } from '../contract/errors.ts'
import type { ListedInstance } from '../contract/instance-group.ts'
import { silentLogger } from '../contract/logger.ts'
import { MultiGroup } from '../multi/multi-group.ts'
import { MemoryStateStore } from '../state/memory-state-store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryGroup } from '../testing/memory-group.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { Provisioner } from './provisioner.ts'

/** Two clouds that cannot be asked by id, and whose machines are reached by nobody here: only their lists tell. */
class TwoClouds {
  readonly clock = new ManualClock()
  readonly busy = new Set<string>()
  readonly lost: string[] = []
  readonly store = new MemoryStateStore()
  /** Answers of the next lists of the first cloud, in place of its own. */
  readonly answers: (readonly ListedInstance[] | GroupError | 'slow')[] = []
  readonly a: MemoryGroup = new MemoryGroup({ clock: this.clock, maxSize: 10, tells: { byId: false } })
  readonly b: MemoryGroup = new MemoryGroup({ clock: this.clock, maxSize: 10, tells: { byId: false } })
  provisioner!: Provisioner

  async start(): Promise<Provisioner> {
    const { clock, a, b, busy, answers } = this
    const list = MemoryGroup.prototype.list.bind(a)
    a.list = async (signal) => {
      const answer = answers.shift()
      if (answer instanceof GroupError) throw answer
      if (answer === 'slow') return new Promise(() => {})
      return answer ?? list(signal)
    }
    const group = new MultiGroup({
      id: 'multi/test',
      members: [
        { name: 'a', create: () => a },
        { name: 'b', create: () => b },
      ],
      clock,
      random: seededRandom(1),
      logger: silentLogger,
    })
    const lease = await this.store.lease('test', { takeover: true })
    const starting = Provisioner.start(
      { group, clock, lease, random: seededRandom(1), isBusy: (id) => busy.has(id) },
      never,
    )
    await clock.advance(40_000)
    this.provisioner = await starting
    this.provisioner.onChange((changes) => {
      for (const change of changes) if (change.kind === 'gone' && change.lost) this.lost.push(change.instance.id)
    })
    return this.provisioner
  }
}

it.each<[string, () => GroupError | 'slow']>([
  ['cannot be read', () => new GroupError('throttled', 'slow down')],
  ['is slow', () => 'slow'],
])('one answer of a member that is wrong does not count again and again while the member %s', async (_, trouble) => {
  const clouds = new TwoClouds()
  const { clock, answers, busy, a } = clouds
  const provisioner = await clouds.start()
  expect(provisioner.request(2, { placement: 'a', reason: 'test' })).toBe(2)
  await clock.advance(60_000)
  for (const id of provisioner.instances().keys()) busy.add(id)
  expect(busy.size).toBe(2)
  answers.push([], ...Array.from({ length: 20 }, trouble))
  await clock.advance(29_000)
  expect(provisioner.missingCount).toBe(2)
  answers.length = 0
  await clock.advance(120_000)
  expect(clouds.lost).toEqual([])
  expect(a.ids).toHaveLength(2)
  expect(provisioner.missingCount).toBe(0)
  const ending = provisioner.shutdown({ removeInstances: false })
  await clock.advance(60_000)
  await ending
})

it('what an earlier process had in a member that cannot be read since the start is not given up', async () => {
  const clouds = new TwoClouds()
  const { clock, answers, busy, a } = clouds
  const first = await clouds.start()
  first.request(2, { placement: 'a', reason: 'test' })
  await clock.advance(60_000)
  const ids = [...first.instances().keys()]
  for (const id of ids) busy.add(id)
  answers.push(...Array.from({ length: 1_000 }, () => new GroupError('auth', 'no permission')))
  const second = await clouds.start()
  await clock.advance(1_800_000)
  expect([...second.instances().keys()]).toEqual(ids)
  expect(second.missingCount).toBe(2)
  busy.clear()
  await clock.advance(1_800_000)
  answers.length = 0
  await clock.advance(300_000)
  expect(second.missingCount).toBe(0)
  expect(clouds.lost).toEqual([])
  expect(a.ids).toHaveLength(2)
})
