import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Defer } from './real-cloud.ts'

/** Writes a file that only this user can read, and returns its path. It is removed together with its cloud. */
export function privateFile(defer: Defer, name: string, content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'cloud-fakes-'))
  defer(() => rmSync(directory, { recursive: true }))
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}
