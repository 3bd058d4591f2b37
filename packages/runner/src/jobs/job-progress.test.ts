import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { JobProgress } from './job-progress.ts'

test('a stage lasts until the next one begins or none is under way; its name stays', async () => {
  const clock = new ManualClock()
  const ended: [string, number][] = []
  const progress = new JobProgress({ clock, onStageEnd: (stage, durationMs) => ended.push([stage, durationMs]) })
  expect(progress).toMatchObject({ phase: 'pending', stage: 'prepare_executor' })
  progress.onStage('prepare_executor')
  await clock.advance(10)
  progress.onStage('step_script')
  await clock.advance(200)
  progress.onStage(undefined)
  expect(progress.stage).toBe('step_script')
  await clock.advance(3_000)
  progress.onStage('after_script')
  await clock.advance(4)
  progress.onStage(undefined)
  expect(ended).toEqual([
    ['prepare_executor', 10],
    ['step_script', 200],
    ['after_script', 4],
  ])
})
