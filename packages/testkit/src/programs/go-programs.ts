// Builds what the interop tests and the bench need of Go, once: upstream's dummy plugin from its module, and the probe.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = fileURLToPath(new URL('go', import.meta.url))
const target = fileURLToPath(new URL('../../../../node_modules/.cache/go-interop', import.meta.url))

const programs = {
  dummy: ['build', 'gitlab.com/gitlab-org/fleeting/fleeting/plugin/fleeting-plugin-dummy/cmd/fleeting-plugin-dummy'],
  probe: ['build', './probe'],
  /** Upstream's host in front of a plugin of ours: a test program. */
  host: ['test', './host'],
} as const

export type GoPrograms = { readonly absent: string } | Readonly<Record<keyof typeof programs, string>>

/** The executables, or why there are none. */
export function goPrograms(): GoPrograms {
  const version = spawnSync('go', ['version'], { encoding: 'utf8' })
  if (version.status !== 0) return { absent: 'there is no Go toolchain' }
  const hash = createHash('sha256').update(version.stdout)
  for (const file of ['go.mod', 'go.sum', 'probe/main.go', 'host/host_test.go'])
    hash.update(readFileSync(join(sources, file)))
  const wanted = hash.digest('hex')
  const stamp = join(target, 'sha256')
  const files = {
    dummy: join(target, 'fleeting-plugin-dummy'),
    probe: join(target, 'fleeting-plugin-probe'),
    host: join(target, 'host-test'),
  }
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return files
  mkdirSync(dirname(stamp), { recursive: true })
  for (const [name, [how, from]] of Object.entries(programs)) {
    console.log(`interop: building ${name} (once)`)
    const built = spawnSync(
      'go',
      ['-C', sources, how, ...(how === 'test' ? ['-c'] : []), '-o', files[name as keyof typeof programs], from],
      { encoding: 'utf8' },
    )
    if (built.status !== 0)
      return { absent: `go build of ${name} failed: ${built.stderr.trim().split('\n').slice(-3).join(' | ')}` }
  }
  writeFileSync(stamp, wanted)
  return files
}
