import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { ProgressLine } from './progress-line.ts'

function rig() {
  const clock = new ManualClock()
  const shown: string[] = []
  const line = new ProgressLine(clock, (text) => shown.push(text))
  const come = (current: number): void =>
    line.take({ id: 'a', status: 'Downloading', progressDetail: { current: current * 1e6, total: 9e6 } })
  return { clock, shown, line, come }
}
const text = (current: number): string => `0 of 1 layers, ${current}.0 of 9.0 MB`

test('the line changes once a second, to what is so then', async () => {
  const { clock, shown, come } = rig()
  come(1)
  come(2)
  expect(shown).toEqual([])
  await clock.advance(999)
  come(3)
  await clock.advance(1)
  expect(shown).toEqual([text(3)])
  come(4)
  come(5)
  await clock.advance(1000)
  expect(shown).toEqual([text(3), text(5)])
  await clock.advance(5000)
  come(6)
  expect(shown).toEqual([text(3), text(5), text(6)])
})

test('nothing is shown in the first second, whenever something comes', async () => {
  const { clock, shown, come } = rig()
  await clock.advance(900)
  come(1)
  await clock.advance(99)
  expect(shown).toEqual([])
  await clock.advance(1)
  expect(shown).toEqual([text(1)])
})

test('the line does not change where nothing has', async () => {
  const { clock, shown, come } = rig()
  for (let each = 0; each < 5; each++) {
    come(1)
    await clock.advance(1000)
  }
  expect(shown).toEqual([text(1)])
})

test('a pull that has ended shows nothing more', async () => {
  const { clock, shown, line, come } = rig()
  come(1)
  line[Symbol.dispose]()
  await clock.advance(1000)
  expect(shown).toEqual([])
  expect(clock.pendingTimers).toBe(0)
})
