import { expect, test } from 'vitest'
import { attemptLabels } from './labels.ts'
import { isLeftover } from './sweep-engine.ts'

const sweep = { fleet: 'ci/token/s_1', isActive: (attempt: string) => attempt === 'active', now: 1000 }
const labels = (fleet: string, attempt: string, expiresAt = 2000) =>
  attemptLabels({ fleet, attempt, job: 1, project: 2, expiresAt })

test.each([
  ['of an attempt that is over', labels('ci/token/s_1', 'old'), true],
  ['of an attempt under way', labels('ci/token/s_1', 'active', 1), false],
  ['of another manager of the fleet', labels('ci/token/s_2', 'old'), false],
  ['of another manager, once it is of no use', labels('ci/token/s_2', 'old', 999), true],
  ['of another fleet, however old', labels('other/token/s_1', 'old', 1), false],
  ['that somebody else made', { maintainer: 'x' }, false],
  ['without labels', undefined, false],
])('what is %s: removed %j', (_what, given, expected) => {
  expect(isLeftover(given, sweep)).toBe(expected)
})
