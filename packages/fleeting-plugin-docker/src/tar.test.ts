import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tar } from './tar.ts'

test('tar makes what tar reads', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tar-test-'))
  const files = [
    { name: 'empty', mode: 0o644, content: '' },
    { name: 'key', mode: 0o600, content: 'x'.repeat(512) },
    { name: 'text', mode: 0o640, content: 'zwölf\n' },
  ]
  execFileSync('tar', ['-x', '-p', '-C', directory], { input: tar(files) })
  for (const { name, mode, content } of files) {
    expect(readFileSync(join(directory, name), 'utf8')).toBe(content)
    expect(statSync(join(directory, name)).mode & 0o777).toBe(mode)
  }
  expect(execFileSync('tar', ['-t', '-v', '--numeric-owner'], { input: tar(files) }).toString()).toMatch(/ 0\/0 /)
  rmSync(directory, { recursive: true })
})
