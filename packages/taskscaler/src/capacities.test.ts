import { GroupError, silentLogger } from '@runner-core/fleeting'
import { MultiGroup } from '@runner-core/fleeting/multi'
import { ManualClock, MemoryGroup, seededRandom, simpleShell } from '@runner-core/fleeting/testing'
import { policy } from '@runner-core/testkit/scaler/rig'
import { expect, test } from 'vitest'
import type { Acquisition } from './slots/acquisition.ts'
import { Taskscaler } from './taskscaler.ts'

test('each instance of a multi group runs as many jobs as its group says, and no more than the fleet allows', async () => {
  const clock = new ManualClock()
  const cloud = () => new MemoryGroup({ clock, shell: simpleShell, bootDelayMs: 10_000 })
  const [small, large] = [cloud(), cloud()]
  const random = seededRandom(1)
  const group = new MultiGroup({
    id: 'multi/test',
    members: [
      { name: 'small', create: () => small, capacityPerInstance: 1, maxInstances: 2 },
      { name: 'large', create: () => large, capacityPerInstance: 100 },
    ],
    clock,
    random,
    logger: silentLogger,
  })
  const starting = Taskscaler.start({
    // Never asked: the members connect by themselves.
    provisioner: { group, maxInstances: 10, random },
    capacityPerInstance: 3,
    policies: [policy],
    onDispose: 'keep-instances',
    clock,
  })
  await clock.advance(1000)
  const scaler = await starting
  const held: Acquisition[] = []
  for (let job = 0; job < 8; job += 1)
    void scaler.acquire(scaler.reserve()).then((acquisition) => held.push(acquisition))
  await clock.advance(300_000)
  expect(held).toHaveLength(8)
  const jobsOf = (id: string): number => held.filter(({ instanceId }) => instanceId === id).length
  expect(small.ids.map((id) => jobsOf(`small/${id}`))).toEqual([1, 1])
  expect(large.ids.map((id) => jobsOf(`large/${id}`))).toEqual([3, 3])

  // What the next one brings is what is reckoned with: three more jobs are one more instance.
  for (let job = 0; job < 3; job += 1)
    void scaler.acquire(scaler.reserve()).then((acquisition) => held.push(acquisition))
  small.fail('increase', new GroupError('capacity', 'none'), Number.POSITIVE_INFINITY)
  await clock.advance(300_000)
  expect(held).toHaveLength(11)
  expect([small.ids.length, large.ids.length]).toEqual([2, 3])
  for (const acquisition of held) scaler.release(acquisition)
  const ending = scaler.shutdown()
  await clock.advance(60_000)
  await ending
})
