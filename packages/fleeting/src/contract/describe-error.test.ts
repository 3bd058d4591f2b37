import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeError } from './describe-error.ts'

const chain = (...messages: readonly string[]): Error | undefined =>
  messages.reduceRight<Error | undefined>(
    (cause, message) => new Error(message, { ...(cause && { cause }) }),
    undefined,
  )

test.each([
  [['it broke'], 'it broke'],
  [['fetch failed', 'connect ECONNREFUSED 127.0.0.1:9'], 'fetch failed: connect ECONNREFUSED 127.0.0.1:9'],
  [['no list: no permission', 'no permission'], 'no list: no permission'],
  [['outer: middle', 'middle', 'inner'], 'outer: middle: inner'],
  [['outer', 'middle', 'outer'], 'outer: middle'],
  [['refused', 'refused by the server, 403'], 'refused by the server, 403'],
])('%j', (messages, text) => {
  expect(describeError(chain(...messages))).toBe(text)
})

test('an error without a message is told by its attempts, its code or its name', () => {
  const attempts = [new Error('connect ECONNREFUSED ::1:9'), new Error('connect ECONNREFUSED 127.0.0.1:9')]
  expect(describeError(new AggregateError(attempts, ''))).toBe(
    'connect ECONNREFUSED ::1:9; connect ECONNREFUSED 127.0.0.1:9',
  )
  expect(describeError(Object.assign(new Error(''), { code: 'EPIPE' }))).toBe('EPIPE')
  expect(describeError(new TypeError(''))).toBe('TypeError')
})

test('whatever was thrown has a text, and a chain that ends in itself an end', () => {
  const loop = new Error('round')
  loop.cause = new Error('and', { cause: loop })
  expect(describeError(loop)).toBe('round: and')
  expect(['text', 7, { a: 1 }, undefined, Symbol('s')].map(describeError)).toEqual([
    'text',
    '7',
    '{"a":1}',
    '',
    'Symbol(s)',
  ])
})

test('every message is said, none twice', () => {
  const words = fc.constantFrom('alpha', 'beta', 'gamma', 'delta')
  fc.assert(
    fc.property(fc.array(words, { minLength: 1, maxLength: 8 }), (messages) => {
      expect(describeError(chain(...messages)).split(': ')).toEqual([...new Set(messages)])
    }),
  )
})
