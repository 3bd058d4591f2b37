import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { findLeaks } from './leaks.ts'

test('finds files, children, and processes that only the environment gives away', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'demo-leaks-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  expect(findLeaks(folder)).toEqual([])

  writeFileSync(join(folder, 'left'), '')
  expect(findLeaks(folder)).toEqual(['directory left'])

  // Forked twice, in a session of its own: no child of this process any more.
  const shell = spawn('sh', ['-c', 'setsid sleep 3601.5 >/dev/null 2>&1 & '], {
    env: { PATH: process.env['PATH'], HOME: folder },
  })
  await once(shell, 'exit')
  const child = spawn('sleep', ['3602.5'], { env: { PATH: process.env['PATH'] } })
  await expect
    .poll(() => findLeaks(folder).map((leak) => leak.replace(/\d+:/, 'N:')))
    .toEqual([
      expect.stringMatching(/^process N: sleep 360[12]\.5$/),
      expect.stringMatching(/^process N: sleep 360[12]\.5$/),
      'directory left',
    ])
  for (const leak of findLeaks(folder)) {
    const pid = /^process (\d+)/.exec(leak)?.[1]
    if (pid !== undefined) process.kill(Number(pid))
  }
  await once(child, 'exit')
  await expect.poll(() => findLeaks(folder)).toEqual(['directory left'])
})
