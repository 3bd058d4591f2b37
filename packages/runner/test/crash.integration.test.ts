import { seededRandom } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { runCrashLoad } from './crash-load.ts'

test('a manager that is killed again and again loses no job, runs none twice and leaves nothing: 60 jobs, 8 kills', async () => {
  const result = await runCrashLoad({ jobs: 60, kills: 8, random: seededRandom(7) })
  const nothing = { lost: [], ranTwice: [], wrongTraces: [], violations: [], overMaximum: 0, leaked: 0, badEnd: '' }
  expect(result, result.log).toMatchObject(nothing)
  // A kill comes between at most one answer of each job under way and the note of it.
  expect(result.unheard).toBeLessThanOrEqual(8 * 10)
}, 240_000)
