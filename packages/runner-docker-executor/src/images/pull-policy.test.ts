import { expect, test } from 'vitest'
import type { PullPolicy } from '../settings/docker-settings.ts'
import { effectivePullPolicies } from './pull-policy.ts'

const decide = (
  policies: readonly PullPolicy[],
  allowed: readonly PullPolicy[],
  ofJob: readonly string[] = [],
): readonly PullPolicy[] =>
  effectivePullPolicies({ pullPolicies: policies, allowedPullPolicies: allowed }, ofJob, 'ruby')

test.each<[readonly PullPolicy[], readonly PullPolicy[], readonly string[], readonly PullPolicy[]]>([
  [[], [], [], ['always']],
  [['if-not-present', 'always'], [], [], ['if-not-present', 'always']],
  [['always', 'always'], [], [], ['always', 'always']],
  [['always', 'if-not-present'], ['if-not-present'], [], ['if-not-present']],
  [['always', 'never'], [], ['never'], ['never']],
  [[], ['always', 'if-not-present'], ['if-not-present', 'never', 'always'], ['if-not-present', 'always']],
  [['never'], ['never', 'always'], ['always', 'nonsense'], ['always']],
])('of the policies %j, %j allowed, and the job asking for %j, %j are tried', (policies, allowed, ofJob, expected) => {
  expect(decide(policies, allowed, ofJob)).toEqual(expected)
})

test.each<[readonly PullPolicy[], readonly PullPolicy[], readonly string[], string]>([
  [
    ['always'],
    [],
    ['never'],
    '([never]) defined in GitLab pipeline config is not one of the allowed_pull_policies ([always])',
  ],
  [['always'], ['never'], [], '([always]) defined in Runner config is not one of'],
  [[], ['never', 'if-not-present'], [], '([always]) defined in Runner config (default) is not one of'],
  [[], [], ['x'.repeat(1000)], `([${'x'.repeat(50)}]) defined`],
])(
  'policies %j, %j allowed, with %j of the job, are a mistake in a configuration',
  (policies, allowed, ofJob, message) => {
    expect(() => decide(policies, allowed, ofJob)).toThrow(
      expect.objectContaining({
        code: 'not_allowed',
        reason: 'runner_configuration_error',
        message: expect.stringContaining(`invalid pull policy for image "ruby": pull_policy ${message}`),
      }),
    )
  },
)
