import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { expect, test } from 'vitest'
import { makeImage } from './docker-side.ts'

/** Why no containers can be made here; undefined when they can. */
const missing = await makeImage().then(
  () => undefined,
  (error: Error) => error.message,
)
if (missing !== undefined) console.warn(`SKIPPED: the pipeline on containers: ${missing}`)

test.skipIf(missing !== undefined)(
  `a pipeline on containers: a submodule from a git server, artifacts and a cache of an earlier job, after_script${missing === undefined ? '' : ` (SKIPPED: ${missing})`}`,
  { timeout: 180_000 },
  async () => {
    const path = fileURLToPath(new URL('main.ts', import.meta.url))
    const running = promisify(execFile)(process.execPath, ['--conditions=@runner-core/source', path])
    const { stdout } = await running
    const [, build = '', tests = '', deploy = ''] = stdout.split(/^--- \w+ ---$/m)
    expect(build).toMatch(
      /Submodule path 'library': checked out.*^downloading the compiler$.*^no sources for a guess$/ms,
    )
    expect(build).toMatch(/^Created cache$.*"archive" to coordinator\.\.\. 201 Created$/ms)
    expect(tests).toMatch(/^Successfully extracted cache$.*Downloading artifacts for build .*^tested what \S+ built$/ms)
    expect(tests).toMatch(/"junit" to coordinator\.\.\. 201 Created$/m)
    expect(deploy).toMatch(
      /^nothing is deployed$.*^deployed$.*^HELLO FROM A SUBMODULE$.*^the deployment ended with success$/ms,
    )
    expect(stdout).toMatch(/\nthe pipeline passed\n$/)
    const left = await new Docker().listContainers({
      all: true,
      filters: { label: ['dev.runner-core.fleet'] },
    })
    expect(left.filter(({ Labels: labels }) => labels['dev.runner-core.fleet']?.startsWith('pipeline/'))).toEqual([])
  },
)
