import { expect, test } from 'vitest'
import { deviations, type Expectation, wordOutcome } from './expectation.ts'

const expected: Expectation = {
  state: 'failed',
  failureReason: 'script_failure',
  exitCode: 3,
  has: ['one', 'two'],
  lacks: ['secret'],
}
const good = { state: 'failed', failureReason: 'script_failure', exitCode: 3, trace: 'one, two' }

test('a job as it must be', () => {
  expect(deviations(expected, good)).toEqual([])
  expect(
    deviations(
      { state: 'success', has: [], lacks: [] },
      { state: 'success', failureReason: undefined, exitCode: 0, trace: '' },
    ),
  ).toEqual([])
  expect(wordOutcome(expected)).toBe('failed · script_failure · exit 3')
})

test.each([
  [{ state: 'success' }, 'state: expected failed, got success'],
  [{ failureReason: 'unknown_failure' }, 'failure reason: expected script_failure, got unknown_failure'],
  [{ exitCode: undefined }, 'exit code: expected 3, got none'],
  [{ exitCode: 4 }, 'exit code: expected 3, got 4'],
  [{ trace: 'one' }, 'trace: expected "two"'],
  [{ trace: 'two, one' }, 'trace: expected "two" after what comes before it'],
  [{ trace: 'one two secret' }, 'trace: "secret" must not be in it'],
])('%j is found', (change, deviation) => {
  expect(deviations(expected, { ...good, ...change })).toEqual([deviation])
})

test('every deviation is named', () => {
  expect(
    deviations(expected, { state: 'success', failureReason: undefined, exitCode: undefined, trace: 'secret' }),
  ).toHaveLength(6)
})
