import { expect, test } from 'vitest'
import { endingAt } from './endings.ts'

test.each([
  ['no notice', {}, Number.POSITIVE_INFINITY],
  ['a notice without a time', { interruptedAt: 5 }, Number.POSITIVE_INFINITY],
  ['two minutes of notice: 20 s before the end', { interruptedAt: 1_000, goesAt: 121_000 }, 101_000],
  ['half a minute of notice: at its half', { interruptedAt: 1_000, goesAt: 31_000 }, 16_000],
  ['a time that is over: at once', { interruptedAt: 1_000, goesAt: 500 }, 750],
])('%s', (_name, notice, at) => {
  expect(endingAt(notice)).toBe(at)
})
