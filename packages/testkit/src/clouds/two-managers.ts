import { GroupOwnedError } from '@runner-core/fleeting/provisioner'
import { MemoryStateStore } from '@runner-core/fleeting/state'
import { expect } from 'vitest'
import type { ManagedCloud, Managers } from './managers.ts'

/**
 * Two managers, each with a state of its own, on the group of this cloud: the second is refused, and once it takes the
 * group over, the first deletes nothing any more.
 */
export async function expectOneOwner(managers: Managers, cloud: ManagedCloud): Promise<void> {
  const { time } = managers
  const { controls } = cloud.fake
  const first = await managers.start(cloud)
  first.request(2, { reason: 'test' })
  await time.pass(40_000)
  const machines = controls.machines()
  expect(machines).toHaveLength(2)

  const lease = await new MemoryStateStore().lease('test')
  await expect(managers.start(cloud, { lease })).rejects.toMatchObject({
    code: 'group_owned',
    owner: { name: 'a fleet without a name', epoch: 1 },
  })
  // A launch writes beside the owner, and not over it.
  first.request(1, { reason: 'test' })
  await time.pass(40_000)
  expect(controls.machines()).toHaveLength(3)
  const second = await managers.start(cloud, { lease, owner: { name: 'the second', mayTake: 'any' } })
  expect([...second.instances().values()].map(({ cause }) => cause)).toEqual(['adopted', 'adopted', 'adopted'])

  first.remove(machines, 'test')
  await time.pass(120_000)
  expect(controls.machines()).toHaveLength(3)
  expect(first.fenced).toBeInstanceOf(GroupOwnedError)
  second.remove(machines, 'test')
  await time.pass(60_000)
  expect(controls.machines()).toHaveLength(1)
  await time.until(second.shutdown({ removeInstances: true }))

  const third = await managers.start(cloud, { lease: await new MemoryStateStore().lease('test') })
  await time.until(third.shutdown({ removeInstances: false }))
}
