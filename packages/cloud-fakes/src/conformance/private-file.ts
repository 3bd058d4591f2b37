import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The path of a file that lives as long as the stack. */
export function privateFile(stack: AsyncDisposableStack, name: string, content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'cloud-fakes-'))
  stack.defer(() => rmSync(directory, { recursive: true }))
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}
