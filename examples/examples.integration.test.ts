// Each example is run as its reader would run it.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseConfig } from '@runner-core/runner'
import { expect, onTestFinished, test } from 'vitest'

const run = async (file: string): Promise<string> => {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return (await promisify(execFile)(process.execPath, ['--conditions=@runner-core/source', path])).stdout
}

test('fleeting and taskscaler embedded over p-queue: every task ran, on at most three machines', async () => {
  const output = await run('embed-p-queue/main.ts')
  const tasks = [...output.matchAll(/^(\S+) slot ([01]): exit code 0, task (\d+) in /gm)]
  expect(tasks.map(([, , , number]) => number)).toEqual(Array.from({ length: 12 }, (_, number) => String(number)))
  expect(new Set(tasks.map(([, instance]) => instance)).size).toBeLessThanOrEqual(3)
})

test('the example plugin passes the conformance suite', { timeout: 180_000 }, async () => {
  const folder = fileURLToPath(new URL('write-a-plugin', import.meta.url))
  const bin = fileURLToPath(new URL('../packages/fleeting/bin/fleeting.js', import.meta.url))
  const args = [bin, 'conformance', './acme-plugin.ts', '--config', 'acme.toml', '--cloud', './acme-cloud.ts']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder })
  expect(stdout).toMatch(/^\d{2} passed, 0 failed, 15 skipped$/m)
})

test.each([
  'config.toml',
  'docker-autoscaler.toml',
  'docker-in-docker.toml',
  'docker-socket.toml',
  'docker.toml',
  'first.toml',
  'production.toml',
])('the example configuration %s is valid, and nothing in it is ignored', (file) => {
  const toml = readFileSync(new URL(`runner/${file}`, import.meta.url), 'utf8')
  expect(parseConfig(toml).warnings).toEqual([])
})

test('the configuration of several groups is valid, to each of its plugins too', async () => {
  const bin = fileURLToPath(new URL('../packages/runner/bin/runner-core.js', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-example-'))
  const config = join(folder, 'several-groups.toml')
  writeFileSync(config, readFileSync(new URL('runner/several-groups.toml', import.meta.url)), { mode: 0o600 })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [bin, 'validate', '--config', config])
  expect(stdout).toContain(': valid, 1 runner')
  expect(stderr).toBe('')
  rmSync(folder, { recursive: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The words of each call of a command that the tutorial shows, without its configuration. */
function tutorialCommands(name: string): string[][] {
  const tutorial = readFileSync(new URL('../docs/tutorial.md', import.meta.url), 'utf8')
  const lines = [...tutorial.matchAll(new RegExp(`^npx runner-core (${name}\\b.*) --config config\\.toml(.*)$`, 'gm'))]
  expect(lines.length, `the tutorial shows ${name}`).toBeGreaterThan(0)
  return lines.map(([, words = '', more = '']) => `${words}${more}`.split(' '))
}

test.each([
  { line: 'echo a $((6 * 7))', code: 0, shown: 'what GitLab would show: success\n', printed: '\na 42\n' },
  { line: 'exit 3', code: 1, shown: 'what GitLab would show: failed, script_failure\n', printed: 'exit status 3' },
])('the stand-in for GitLab hands a job out and shows how it ends: $line', async ({ line, code, shown, printed }) => {
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-example-'))
  const standIn = fileURLToPath(new URL('runner/stand-in.ts', import.meta.url))
  const bin = fileURLToPath(new URL('../packages/runner/bin/runner-core.js', import.meta.url))
  const gitLab = spawn(process.execPath, ['--conditions=@runner-core/source', standIn, line], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gitLabEnded = once(gitLab, 'exit')
  let output = ''
  gitLab.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(gitLab.stdout, 'data')
  const [url = ''] = /http:\S+/.exec(output) ?? []
  const config = join(folder, 'first.toml')
  const toml = readFileSync(new URL('runner/first.toml', import.meta.url), 'utf8')
  const port = await freePort()
  writeFileSync(config, toml.replace('http://127.0.0.1:8929', url).replace('127.0.0.1:9252', `127.0.0.1:${port}`))
  const runner = spawn(process.execPath, [bin, 'run', '--config', config], {
    env: { ...process.env, TMPDIR: folder },
    stdio: 'ignore',
  })
  const runnerEnded = once(runner, 'exit')
  onTestFinished(() => {
    for (const child of [gitLab, runner]) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  expect((await gitLabEnded)[0], output).toBe(code)
  expect(output).toContain(printed)
  expect(output.endsWith(shown), output).toBe(true)
  for (const command of tutorialCommands('explain')) {
    const { stdout } = await promisify(execFile)(process.execPath, [bin, ...command, '--config', config])
    expect(stdout).toContain(
      command.includes('--job') ? 'job got its slot: instance local-' : 'increase by 1: free slots wanted: 1',
    )
  }
  runner.kill('SIGTERM')
  expect(await runnerEnded).toEqual([0, null])
})

test('the embedded runner starts its instance, and a signal ends it with nothing left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-example-'))
  const config = join(folder, 'config.toml')
  writeFileSync(
    config,
    `[[runners]]
name = "example"
url = "http://127.0.0.1:9"
token = "glrt-example-token"
executor = "instance"
[runners.autoscaler]
plugin = "local"
max_instances = 1
plugin_config = { root_dir = ${JSON.stringify(folder)} }
policy = [{ idle_count = 1, idle_time = "1h" }]
`,
  )
  const path = fileURLToPath(new URL('runner/main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@runner-core/source', path, config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  expect(first.toString()).toContain('taking jobs')
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  expect(readdirSync(folder)).toEqual(['config.toml'])
  rmSync(folder, { recursive: true })
})
