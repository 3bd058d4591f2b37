import { variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import type { JobVariable } from '../job-payload.ts'
import { earlySetting, isDebugTrace } from './early-setting.ts'

const of = (variables: readonly JobVariable[], configured: Readonly<Record<string, string>> = {}) => ({
  payload: { variables },
  environmentVariables: Object.entries(configured).map(([key, value]) => ({ key, value })),
})

test('a setting is the last one of its name, the job before the configuration, expanded unless it is raw', () => {
  const variables = [variable('A', 'first'), variable('B', 'of $A'), variable('A', ' second ')]
  expect(earlySetting(of(variables, { A: 'configured', C: 'c $A' }), 'A')).toBe('second')
  expect(earlySetting(of(variables, { C: 'c $A' }), 'C')).toBe('c  second')
  expect(earlySetting(of([...variables, variable('B', 'of $A', { raw: true })]), 'B')).toBe('of $A')
  expect(earlySetting(of(variables), 'NONE')).toBe('')
})

test.each([
  ['true', true],
  ['True', true],
  ['1', true],
  ['t', true],
  [' TRUE ', true],
  ['$ON', true],
  ['yes', false],
  ['0', false],
  ['', false],
])(
  'the log of a job with CI_DEBUG_TRACE %j is for developers only: %s, as its commands are shown or not',
  (value, expected) => {
    const on = variable('ON', 'true')
    expect(isDebugTrace(of([on, variable('CI_DEBUG_TRACE', value)]))).toBe(expected)
    expect(isDebugTrace(of([on], { CI_DEBUG_TRACE: value }))).toBe(expected)
  },
)
