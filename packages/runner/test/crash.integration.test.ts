import { seededRandom } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { runCrashLoad } from './crash-load.ts'

test('a manager that is killed again and again loses no job, runs none twice and leaves nothing: 60 jobs, 8 kills', async () => {
  const result = await runCrashLoad({ jobs: 60, kills: 8, random: seededRandom(7) })
  const nothing = { lost: [], ranTwice: [], wrongTraces: [], violations: [], overMaximum: 0, leaked: 0, badEnd: '' }
  expect(result, result.log).toMatchObject(nothing)
}, 240_000)
