import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { secretsOf } from './secrets-of.ts'

test('secrets are masked values, the job’s token, and passwords of its repository and credentials', () => {
  const credentials = [{ type: 'registry', url: 'r.example', username: 'u', password: 'open' }]
  const job = payload({
    variables: [
      variable('A', ' one \n', { masked: true }),
      variable('A', 'two', { masked: true }),
      variable('B', 'plain'),
      variable('C', ' ', { masked: true }),
    ],
    overrides: {
      credentials,
      token: 'job-token',
      git_info: { ...payload().git_info, repo_url: 'https://user:p%40ss@host/x.git' },
    },
  })
  expect(secretsOf(job)).toEqual(['job-token', 'p@ss', 'open', 'one', 'two'])
})
