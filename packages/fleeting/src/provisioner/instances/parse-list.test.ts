import { expect, it } from 'vitest'
import { parseList } from './parse-list.ts'

it('lets good rows pass, and keeps a state that it does not know as unknown', () => {
  const good = { id: 'a', state: 'running', launchToken: 't' }
  expect(parseList([good, { id: 'b', state: 'STAGING' }, { id: 'c' }])).toEqual([
    good,
    { id: 'b', state: 'unknown', detail: 'STAGING' },
    { id: 'c', state: 'unknown', detail: 'undefined' },
  ])
})

it.each([
  [undefined, 'list: expected an array, got undefined'],
  [[{ id: 'a', state: 'running' }, null], 'list[1].id: expected a non-empty string, got undefined'],
  [[{ id: 7, state: 'running' }], 'list[0].id: expected a non-empty string, got 7'],
  [[{ id: '', state: 'running' }], 'list[0].id: expected a non-empty string, got ""'],
])('uses nothing of an answer that is no list: %j', (answer, message) => {
  expect(() => parseList(answer)).toThrow(expect.objectContaining({ code: 'transient', message }))
})
