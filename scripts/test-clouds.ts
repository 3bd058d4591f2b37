// `npm run test:clouds`: the three cloud plugins on their fakes, and the fakes against the models of the clouds'
// makers. Puts the makers' tools in place where Python and Go are there; says at the end what ran, and what was skipped
// and why. Further arguments go to vitest; `--project=clouds` leaves out what `npm test` runs too.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inPlace, python, type Tool, tools, validators, works } from './cloud-tools.ts'

const found = { CLOUDS_PYTHON: python(), CLOUDS_AZURE_VALIDATOR: azureValidator(), CLOUDS_S3_SERVER: s3Server() }
const env: Record<string, string | undefined> = { ...process.env }
for (const [name, tool] of Object.entries(found)) if ('path' in tool) env[name] = tool.path

const results = join(tools, 'results.json')
rmSync(results, { force: true })
const plugins = ['aws', 'gce', 'azure'].map((cloud) => `packages/fleeting-plugin-${cloud}`)
const places = ['packages/cloud-fakes', ...plugins, 'packages/runner/test/clouds']
const projects = ['--project=clouds', '--project=integration'].filter(
  () => !process.argv.some((each) => each.startsWith('--project')),
)
const reporters = ['default', 'json', './scripts/clouds-summary.ts'].map((reporter) => `--reporter=${reporter}`)
const output = `--outputFile.json=${results}`
const { status } = spawnSync(
  'vitest',
  ['run', ...projects, ...reporters, output, ...places, ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env,
  },
)
for (const [name, tool] of Object.entries(found))
  console.log('absent' in tool ? `  skipped: what needs ${name}, because ${tool.absent}` : `  with ${name}`)
process.exitCode = status ?? 1

/** The program around Microsoft's generated server. */
function azureValidator(): Tool {
  const folder = join(validators, 'azure')
  const path = join(tools, 'azure-validator')
  const sources = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : []
  return inPlace(path, sources, () => {
    if (!works('go', 'version')) return 'there is no Go toolchain'
    console.log("clouds: building the validator around Microsoft's generated server (once)")
    return works('go', '-C', folder, 'build', '-o', path, '.') ? undefined : 'go build failed'
  })
}

/** versitygw, a server that speaks S3 and checks signatures. */
function s3Server(): Tool {
  const wish = join(validators, 's3-server.txt')
  const path = join(tools, 'versitygw')
  return inPlace(path, [wish], () => {
    if (!works('go', 'version')) return 'there is no Go toolchain'
    console.log('clouds: building versitygw (once)')
    const { status } = spawnSync('go', ['install', readFileSync(wish, 'utf8').trim()], {
      stdio: 'inherit',
      env: { ...process.env, GOBIN: tools },
    })
    return status === 0 ? undefined : 'go install failed'
  })
}
