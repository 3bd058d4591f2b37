import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { isAlive, markProcess } from './process-mark.ts'

test('alive until it ends', async () => {
  const child = spawn('sleep', ['1000'])
  const mark = markProcess(child.pid!)
  expect(isAlive(mark)).toBe(true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(isAlive(mark)).toBe(false)
})

test.runIf(process.platform === 'linux')('a later process of the same number is another one', () => {
  const mark = markProcess(process.pid)
  expect(isAlive(mark)).toBe(true)
  expect(isAlive({ ...mark, startedAt: '1' })).toBe(false)
})
