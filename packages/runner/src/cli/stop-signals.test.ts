import { expect, test } from 'vitest'
import { StopSequence } from './stop-signals.ts'

const modes = (...signals: readonly string[]): readonly unknown[] => {
  const sequence = new StopSequence()
  return signals.map((signal, index) => sequence.next(signal, index * 1_000))
}

test.each([
  [['SIGQUIT'], ['graceful']],
  [['SIGTERM'], ['fast']],
  [['SIGINT'], ['fast']],
  [
    ['SIGQUIT', 'SIGQUIT', 'SIGQUIT'],
    ['graceful', 'fast', 'now'],
  ],
  [
    ['SIGQUIT', 'SIGTERM', 'SIGTERM'],
    ['graceful', 'fast', 'now'],
  ],
  [
    ['SIGHUP', 'SIGHUP', 'SIGTERM'],
    ['fast', undefined, 'now'],
  ],
  [
    ['SIGQUIT', 'SIGHUP', 'SIGTERM'],
    ['graceful', undefined, 'fast'],
  ],
  [
    ['SIGTERM', 'SIGQUIT'],
    ['fast', 'now'],
  ],
  [
    ['SIGINT', 'SIGINT', 'SIGINT'],
    ['fast', 'now', 'now'],
  ],
])('%j means %j', (signals, expected) => {
  expect(modes(...signals)).toEqual(expected)
})

test('one Ctrl-C that arrives twice counts once', () => {
  const sequence = new StopSequence()
  expect([sequence.next('SIGINT', 1_000), sequence.next('SIGINT', 1_010), sequence.next('SIGINT', 2_000)]).toEqual([
    'fast',
    undefined,
    'now',
  ])
})
