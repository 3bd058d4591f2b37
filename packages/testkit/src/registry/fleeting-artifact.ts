// Builds upstream's own installer and releaser from its Go module, once.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const module = fileURLToPath(new URL('go', import.meta.url))
const target = fileURLToPath(new URL('../../../../node_modules/.cache/go-interop/fleeting-artifact', import.meta.url))

/** The executable, or why there is none. */
export function fleetingArtifact(): { readonly absent: string } | { readonly file: string } {
  mkdirSync(dirname(target), { recursive: true })
  const { error, status, stderr } = spawnSync(
    'go',
    ['-C', module, 'build', '-o', target, 'gitlab.com/gitlab-org/fleeting/fleeting-artifact/cmd/fleeting-artifact'],
    { encoding: 'utf8' },
  )
  if (error !== undefined) return { absent: 'there is no Go toolchain' }
  if (status !== 0)
    return { absent: `go build of fleeting-artifact failed: ${stderr.trim().split('\n').slice(-3).join(' | ')}` }
  return { file: target }
}
