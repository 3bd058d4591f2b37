import type { FailureReason } from '@runner-core/job'
import { expect, test } from 'vitest'
import { outcomeUpdate } from './failure-reason.ts'

const told = (reason: FailureReason, known: readonly string[]): string | undefined =>
  outcomeUpdate({ state: 'failed', code: 'image_unavailable', reason, message: '' }, known).failureReason

test.each<[FailureReason]>([['image_pull_failure'], ['runner_external_dependency_failure']])(
  'a server that does not know %s is told a failure of the system',
  (reason) => {
    expect(told(reason, [])).toBe('runner_system_failure')
    expect(told(reason, [reason])).toBe(reason)
  },
)
