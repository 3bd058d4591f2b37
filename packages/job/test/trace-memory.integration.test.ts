import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('a job that prints 100 MB costs no more than 64 MB of memory', async () => {
  const fixture = fileURLToPath(new URL('./trace-memory.fixture.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@runner-core/source', fixture])
  const { extraMb } = JSON.parse(stdout) as { extraMb: number }
  expect(extraMb).toBeGreaterThan(0)
  expect(extraMb).toBeLessThan(64)
})
