import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MachineTime } from './machine-time.ts'

test('times are as far from each other as on the machine, from the start of the first script on', () => {
  const time = new MachineTime()
  expect(time.wallTime('5385.73', 1_700_000_000_000)).toBe(1_700_000_000_000)
  expect(time.wallTime('5387.99', 1_700_000_000_000)).toBe(1_700_000_002_260)
  expect(time.wallTime('9000.00', 1_700_003_000_000)).toBe(1_700_003_614_270)
})

test('a machine that tells nothing of use is not believed', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom('', '-1', '1e9', 'NaN', '0x10', '1.2.3', ' 1', '99999999999')),
      (uptime) => {
        fc.pre(!/^\d{1,10}(\.\d{1,9})?$/.test(uptime))
        const time = new MachineTime()
        expect(time.wallTime(uptime, 1000)).toBeUndefined()
        expect(time.wallTime('7.5', 1000)).toBe(1000)
      },
    ),
  )
  expect(new MachineTime().wallTime(undefined, 1000)).toBeUndefined()
})
