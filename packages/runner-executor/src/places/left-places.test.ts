import { expect, test } from 'vitest'
import { FinderRig } from '../../test/finder-rig.ts'
import { ConcurrentIds } from '../slots/concurrent-ids.ts'
import { LeftPlaces } from './left-places.ts'

async function withLeftJob(): Promise<{ rig: FinderRig; concurrentIds: ConcurrentIds; left: LeftPlaces }> {
  const rig = await FinderRig.start()
  const concurrentIds = new ConcurrentIds()
  const left = new LeftPlaces({ concurrentIds, clock: rig.rig.clock })
  left.hold(0)
  return { rig, concurrentIds, left }
}

test('a job that was left keeps its number, and its place has it', async () => {
  const { rig, concurrentIds, left } = await withLeftJob()
  const acquisition = await rig.place()
  expect(concurrentIds.take()).toBe(1)
  const place = (): string => acquisition.instanceId
  expect(await left.resume(acquisition, { concurrentId: 0, reconnectGraceMs: 60_000, place })).toBe('m-1')
  expect(concurrentIds.take()).toBe(2)
})

test('a job whose number another one has is given up, and its instance is removed', async () => {
  const { rig, concurrentIds, left } = await withLeftJob()
  const acquisition = await rig.place()
  const taken = concurrentIds.take()
  const options = { concurrentId: taken, reconnectGraceMs: 60_000, place: () => 'never' }
  await expect(left.resume(acquisition, options)).rejects.toMatchObject({
    code: 'failed',
    message: 'the job cannot continue on instance m-1: another job uses its build directory',
  })
  await rig.rig.clock.advance(10_000)
  expect(rig.rig.group.ids).toEqual([])
})

test('a job whose instance stays out of reach is given up after its grace, and nobody gets its number', async () => {
  const { rig, concurrentIds, left } = await withLeftJob()
  const { group, clock } = rig.rig
  const acquisition = await rig.place()
  group.unreachable = 'all'
  group.dropConnections()
  const resumed = left
    .resume(acquisition, { concurrentId: 0, reconnectGraceMs: 60_000, place: () => 'never' })
    .catch((error: Error) => error.message)
  await clock.advance(59_999)
  expect(rig.rig.scaler.status().tasks).toMatchObject({ acquired: 1 })
  await clock.advance(1)
  expect(await resumed).toBe('the job cannot continue on instance m-1: it could not be reached within 60 s')
  expect(rig.rig.scaler.status().tasks).toMatchObject({ acquired: 0 })
  expect(concurrentIds.take()).toBe(1)
})
