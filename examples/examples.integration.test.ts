// Each example is run as its reader would run it.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = async (file: string): Promise<string> => {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return (await promisify(execFile)(process.execPath, ['--conditions=@runner-core/source', path])).stdout
}

test('fleeting and taskscaler embedded over p-queue: every task ran, on at most three machines', async () => {
  const output = await run('embed-p-queue/main.ts')
  const tasks = [...output.matchAll(/^(\S+) slot ([01]): \{"code":0\} task (\d+) in /gm)]
  expect(tasks.map(([, , , number]) => number)).toEqual(Array.from({ length: 12 }, (_, number) => String(number)))
  expect(new Set(tasks.map(([, instance]) => instance)).size).toBeLessThanOrEqual(3)
})

test('the example plugin passes the conformance suite', async () => {
  const output = await run('write-a-plugin/main.ts')
  expect(output).toMatch(/^\d{2} passed, 0 failed, 3 skipped$/m)
})
