// What GitLab Runner's custom executor does, fifty jobs of it. The calls are made by a driver of the project's own.
import { expect, test } from 'vitest'
import { jobsThroughShim } from './custom-executor/jobs-through-shim.ts'

test('50 jobs through the custom executor on plugin local; nothing is left', { timeout: 300_000 }, async () => {
  const cost = await jobsThroughShim(50)
  console.log(
    `the shim adds ${cost.addedMs} ms to a stage (p50), of which a bare start of Node is ${cost.nodeMs} ms; a stage takes ${cost.stageMs} ms`,
  )
  expect(cost.addedMs).toBeGreaterThan(0)
})
