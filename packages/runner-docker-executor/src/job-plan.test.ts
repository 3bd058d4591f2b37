import { plainSettings } from '@runner-core/testkit/containers/plain-settings'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { planContainers } from './job-plan.ts'

test.each([
  ['fetch', true, true],
  ['fetch', false, true],
  ['clone', true, false],
  ['empty', true, false],
  ['', true, true],
  ['', false, false],
])(
  'with GIT_STRATEGY %j, and allow_git_fetch %s, that the builds stay for the next job is %s',
  (strategy, allowed, kept) => {
    const job = payload({ overrides: { allow_git_fetch: allowed, variables: [variable('GIT_STRATEGY', strategy)] } })
    expect(planContainers(job, { ...plainSettings, image: 'busybox' }, []).keepsBuilds).toBe(kept)
  },
)
