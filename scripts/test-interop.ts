// `npm run test:interop`: this project's plugins, hosts and custom executor against upstream's own programs. Says at
// the end what was absent, and so was not run. Further arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { goPrograms } from '@runner-core/testkit/programs/go-programs'
import { registryMissing } from '@runner-core/testkit/registry/docker-registry'
import { fleetingArtifact } from '@runner-core/testkit/registry/fleeting-artifact'
import { python } from './cloud-tools.ts'

const results = resolve('node_modules/.cache/go-interop/results.json')
rmSync(results, { force: true })
const built = goPrograms()
const tool = fleetingArtifact()
const cloud = python()
const env = { ...process.env, ...('path' in cloud && { CLOUDS_PYTHON: cloud.path }) }
const output = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
const { status } = spawnSync('vitest', ['run', '--project=interop', ...output, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
})
console.log(
  'absent' in built
    ? `  ABSENT: nothing was run of Go plugins under this host, nor of our plugins under upstream's, because ${built.absent}`
    : "  with Go plugins under this host, and our plugins under upstream's",
)
if ('absent' in cloud) console.log(`  ABSENT: plugin aws under upstream's host was not run, because ${cloud.absent}`)
const noRegistry = registryMissing() ?? ('absent' in tool ? tool.absent : undefined)
console.log(
  noRegistry === undefined
    ? "  with upstream's installer of plugins, and a registry"
    : `  ABSENT: plugins from a registry were not compared with upstream's installer, because ${noRegistry}`,
)
const stock = process.env['GITLAB_RUNNER_BIN']
console.log(
  stock !== undefined && existsSync(stock)
    ? `  with ${stock} in front of the custom executor`
    : '  ABSENT: no GITLAB_RUNNER_BIN; the calls of the custom executor were made by a driver of this project',
)
process.exitCode = status ?? 1
