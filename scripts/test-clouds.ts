// `npm run test:clouds`: the three cloud plugins on their fakes, and the fakes against the models of the clouds' makers. Puts the makers' tools in place where Python and Go are there;
// says at the end what ran, and what was skipped and why. Further arguments go to vitest; `--project=clouds` leaves out what `npm test` runs too.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

const validators = resolve('packages/cloud-fakes/validators')
const tools = resolve('node_modules/.cache/cloud-validators')

/** A tool that is in place, or why it is not. */
type Tool = { readonly path: string } | { readonly absent: string }

const found = { CLOUDS_PYTHON: python(), CLOUDS_AZURE_VALIDATOR: azureValidator(), CLOUDS_S3_SERVER: s3Server() }
const env: Record<string, string | undefined> = { ...process.env }
for (const [name, tool] of Object.entries(found)) if ('path' in tool) env[name] = tool.path

const results = join(tools, 'results.json')
rmSync(results, { force: true })
const plugins = ['aws', 'gce', 'azure'].map((cloud) => `packages/fleeting-plugin-${cloud}`)
const places = ['packages/cloud-fakes', ...plugins, 'packages/runner/test/clouds']
const projects = ['--project=clouds', '--project=integration'].filter(() => !process.argv.some((each) => each.startsWith('--project')))
const reporters = ['default', 'json', './scripts/clouds-summary.ts'].map((reporter) => `--reporter=${reporter}`)
const output = `--outputFile.json=${results}`
const { status } = spawnSync('vitest', ['run', ...projects, ...reporters, output, ...places, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
})
for (const [name, tool] of Object.entries(found))
  console.log('absent' in tool ? `  skipped: what needs ${name}, because ${tool.absent}` : `  with ${name}`)
process.exitCode = status ?? 1

/** A virtual environment with the packages of requirements.txt. */
function python(): Tool {
  const wish = join(validators, 'requirements.txt')
  const home = join(tools, 'python')
  const path = join(home, 'bin', 'python')
  return inPlace(path, [wish], () => {
    if (!works('python3', '--version')) return 'there is no python3'
    rmSync(home, { recursive: true, force: true })
    console.log("clouds: installing botocore's, Google's and moto's packages (once)")
    if (!works('python3', '-m', 'venv', home)) return 'python3 cannot make a virtual environment (is python3-venv installed?)'
    if (!works(path, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', wish))
      return 'pip could not install the packages'
    return undefined
  })
}

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

/** `make` only when the sources have changed since it was last made. */
function inPlace(path: string, sources: readonly string[], make: () => string | undefined): Tool {
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(source))
  const wanted = hash.digest('hex')
  const stampFile = join(tools, `${basename(path)}.sha256`)
  if (existsSync(path) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return { path }
  mkdirSync(tools, { recursive: true })
  const problem = make()
  if (problem !== undefined) return { absent: problem }
  writeFileSync(stampFile, wanted)
  return { path }
}

function works(program: string, ...args: string[]): boolean {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0 && error === undefined && stderr) console.error(stderr.trim().split('\n').slice(-5).join('\n'))
  return status === 0
}
