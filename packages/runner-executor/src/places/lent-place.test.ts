import { expect, test } from 'vitest'
import { FinderRig } from '../../test/finder-rig.ts'
import { ConcurrentIds } from '../slots/concurrent-ids.ts'
import { LentPlace, type SweptEnvironment } from './lent-place.ts'
import { Sweeps } from './sweeps.ts'

interface LentRig {
  readonly place: LentPlace
  readonly sweeps: Sweeps
  readonly concurrentIds: ConcurrentIds
  /** What was done, in order. */
  readonly done: string[]
  readonly endSweep: (isClean: boolean) => void
}

/** A place with the number 0, whose job has ended. */
async function lent(isUnclean: boolean): Promise<LentRig> {
  const acquisition = await (await FinderRig.start()).place()
  const done: string[] = []
  const concurrentIds = new ConcurrentIds()
  const sweeps = new Sweeps()
  let endSweep = (_isClean: boolean): void => {}
  const swept = new Promise<boolean>((resolve) => {
    endSweep = resolve
  })
  const environment = { isUnclean, concurrentId: concurrentIds.take(), sweep: () => swept } as SweptEnvironment
  const place = new LentPlace({
    acquisition: {
      ...acquisition,
      async [Symbol.asyncDispose]() {
        done.push('slot')
      },
    },
    environment,
    concurrentIds,
    sweeps,
    leave: async () => void done.push('left'),
    wipe: () => void done.push('wiped'),
  })
  return { place, sweeps, concurrentIds, done, endSweep }
}

test('a place that is clean is left before its slot is free, once, and its number is free', async () => {
  const { place, concurrentIds, done } = await lent(false)
  await place.release()
  await place.release()
  place.wipe()
  expect(done).toEqual(['left', 'slot', 'wiped'])
  expect(concurrentIds.take()).toBe(0)
})

test('a place that is not clean is kept until it is swept, and wiped after that', async () => {
  const { place, sweeps, concurrentIds, done, endSweep } = await lent(true)
  await place.release()
  place.wipe()
  expect(done).toEqual([])
  endSweep(true)
  await sweeps.ended()
  expect(done).toEqual(['left', 'slot', 'wiped'])
  expect(concurrentIds.take()).toBe(0)
})

test('a place that could not be swept is given up without its number', async () => {
  const { place, sweeps, concurrentIds, done, endSweep } = await lent(true)
  await place.release()
  endSweep(false)
  await sweeps.ended()
  expect(done).toEqual(['left', 'slot'])
  expect(concurrentIds.take()).toBe(1)
})
