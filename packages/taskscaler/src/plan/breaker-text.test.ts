import type { LaunchBreaker } from '@runner-core/fleeting/provisioner'
import { expect, test } from 'vitest'
import { breakerText } from './breaker-text.ts'

const tripped = { code: 'auth', message: 'increase: not allowed', action: 'allow ec2:RunInstances', since: 0 } as const

test.each<[string, LaunchBreaker, string | undefined]>([
  ['a closed one', { state: 'closed' }, undefined],
  [
    'an open one: until when',
    { state: 'open', ...tripped, probeAt: 301_000 },
    'launches are stopped (auth: increase: not allowed): allow ec2:RunInstances, next try in 5 min',
  ],
  [
    'one that no launch can close: until what works',
    { state: 'open', ...tripped, message: 'list: not allowed' },
    'launches are stopped until this works (auth: list: not allowed): allow ec2:RunInstances',
  ],
  [
    'a half-open one: not stopped, but on trial',
    { state: 'half_open', ...tripped, probeAt: 500 },
    'launches are on trial, one instance at a time, until one works (auth: increase: not allowed): allow ec2:RunInstances',
  ],
])('%s', (_case, breaker, text) => {
  expect(breakerText(breaker, 1000)).toBe(text)
})
