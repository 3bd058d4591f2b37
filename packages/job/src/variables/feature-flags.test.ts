import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { withFeatureFlags } from './feature-flags.ts'

test('what the runner says of a flag takes the place of what the job says, and of nothing else', () => {
  const job = payload({
    variables: [variable('FF_ONE', 'false'), variable('FF_TWO', 'true'), variable('FF_ONE', 'no')],
  })
  const { variables } = withFeatureFlags(job, { FF_ONE: true, FF_THREE: false })
  expect(variables.map(({ key, value }) => `${key}=${value}`)).toEqual([
    'GIT_STRATEGY=none',
    'FF_TWO=true',
    'FF_ONE=true',
    'FF_THREE=false',
  ])
  expect(withFeatureFlags(job, {})).toBe(job)
})
