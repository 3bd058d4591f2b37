import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { FakeMachines } from './fake-machines.ts'

test('machines of one launch are shown one after the other, those of the next launch anew', async () => {
  const clock = new ManualClock()
  const machines = new FakeMachines({ clock, lags: { appearMs: 20, staggerMs: 60, bootMs: 10 } })
  const shown = async (afterMs: number): Promise<readonly string[]> => {
    await clock.advance(afterMs)
    return machines.shownAt(clock.now()).map(({ id }) => id)
  }
  for (const id of ['a', 'b', 'c']) machines.launch(id)
  expect([await shown(19), await shown(1), await shown(59), await shown(1)]).toEqual([[], ['a'], ['a'], ['a', 'b']])
  machines.launch('d')
  expect([await shown(20), await shown(40)]).toEqual([
    ['a', 'b', 'd'],
    ['a', 'b', 'c', 'd'],
  ])
})
