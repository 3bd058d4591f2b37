import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { checkDemands } from './job-demands.ts'

test('what a job can do without is said, what it cannot do without fails it', () => {
  expect(checkDemands(payload({ overrides: { unsupported: ['image', 'services'] } }), [])).toEqual([
    'image is ignored: the job runs on the instance itself',
    'services are ignored: this runner starts none',
  ])
  const job = payload({ overrides: { unsupported: ['image', 'services'] } })
  expect(checkDemands(job, [], ['image'])).toEqual(['services are ignored: this runner starts none'])
  for (const part of ['secrets', 'run', 'something_new']) {
    expect(() => checkDemands(payload({ overrides: { unsupported: ['image', part] } }), [])).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        reason: 'runner_configuration_error',
        message: expect.stringContaining(part),
      }),
    )
  }
})

test('a NUL byte is refused wherever it is, with all its places', () => {
  const job = payload({ script: ['echo ok', 'echo a\0b'], variables: [variable('V', '\0'), variable('FINE', 'x')] })
  expect(() => checkDemands(job, [{ key: 'E', value: 'a\0' }])).toThrow(
    expect.objectContaining({
      code: 'invalid_job',
      message: 'a shell cannot handle a NUL byte: script, line 2; variable "E"; variable "V"',
    }),
  )
  expect(checkDemands(payload(), [])).toEqual([])
})
