import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../bin/fleeting.js', import.meta.url))

let folder: string
let instances: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleeting-cli-'))
  instances = mkdtempSync(join(tmpdir(), 'fleeting-cli-instances-'))
  write('config.toml', `[[runners]]\n[runners.autoscaler.plugin_config]\nroot_dir = ${JSON.stringify(instances)}\n`)
})
afterAll(() => {
  for (const each of [folder, instances]) rmSync(each, { recursive: true })
})

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

function fleeting(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, ...args], { cwd: folder }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

test.skipIf(!existsSync('/dev/full'))(
  'output that cannot be written is a failure, not an error that nothing catches',
  async () => {
    const full = openSync('/dev/full', 'w')
    const args = [bin, 'doctor', 'local', '--config=config.toml']
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    let stderr = ''
    child.stderr!.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    const [code] = await once(child, 'close')
    expect(code, stderr).toBe(1)
    expect(stderr).toContain('error: the output cannot be written: ENOSPC')
    expect(stderr).not.toContain('at writeSync')
  },
)

test('some cases of a plugin, as text, JSON and JUnit', async () => {
  const { code, stdout, stderr } = await fleeting(
    'conformance',
    'local',
    '--config=config.toml',
    '--only=decrease',
    '--poll=0.02',
    '--json',
    '--junit=junit.xml',
  )
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(/^group {9}local\/conformance \(plugin /)
  expect(stderr).toContain(
    'This launches and removes instances in that group, at most 3 at once, which may cost money.',
  )
  const report = JSON.parse(stdout) as {
    passed: number
    failed: number
    outcomes: { name: string; outcome: string; reason?: string }[]
  }
  expect(report).toMatchObject({ group: { id: 'local/conformance', maxSize: null }, failed: 0 })
  expect(report.passed).toBeGreaterThan(5)
  expect(report.outcomes.find(({ outcome }) => outcome === 'skipped')?.reason).toBe('needs control of the cloud')
  const junit = readFileSync(join(folder, 'junit.xml'), 'utf8')
  expect(junit.match(/<testcase /g)).toHaveLength(report.outcomes.length)
})

test('a plugin that breaks a rule: the case, why, and exit code 1', async () => {
  write(
    'broken.mjs',
    `export const createInstanceGroup = () => ({
      init: async () => ({ id: 'broken', maxSize: 3, version: '1', findings: [{ code: 'on_fire', severity: 'error', message: 'it burns', fix: 'put it out' }] }),
      list: async () => [], increase: async () => ({ requested: 0 }), decrease: async (ids) => ({ accepted: ids }),
      connectInfo: async () => ({}), shutdown: async () => {},
    })`,
  )
  const { code, stdout } = await fleeting('conformance', './broken.mjs', '--only', 'increase by one', '--poll', '0')
  expect(code).toBe(1)
  expect(stdout).toContain(
    'failed: increase by one launches exactly one instance, which ends up running\n  1 were requested, 0 accepted: no error was reported\n',
  )
  expect(stdout).toMatch(/^1 passed, 1 failed, 0 skipped$/m)

  const doctor = await fleeting('doctor', './broken.mjs')
  expect(doctor).toMatchObject({ code: 1, stderr: '' })
  expect(doctor.stdout).toContain('  error  on_fire: it burns\n    fix: put it out\n')
})

test('doctor prints who has the group, where the group can say so', async () => {
  const group = (owners: string): string => `export const createInstanceGroup = () => ({
      init: async () => ({ id: 'owned', maxSize: 3, version: '1' }), list: async () => [], increase: async () => ({ requested: 0 }),
      decrease: async (ids) => ({ accepted: ids }), connectInfo: async () => ({}), shutdown: async () => {}, ${owners}
    })`
  const owner = "{ id: 'here', name: 'fleet a on build-1', epoch: 3, since: 0 }"
  write('owned.mjs', group(`owners: async () => [${owner}], claim: async () => {},`))
  const owned = await fleeting('doctor', './owned.mjs')
  expect(owned).toMatchObject({ code: 0, stderr: '' })
  expect(owned.stdout).toContain(
    'owner         fleet a on build-1 (owner here, epoch 3) since 1970-01-01T00:00:00.000Z\n',
  )
  expect(JSON.parse((await fleeting('doctor', './owned.mjs', '--json')).stdout)).toMatchObject({
    owners: [{ id: 'here' }],
  })
  write('free.mjs', group('owners: async () => [], claim: async () => {},'))
  expect((await fleeting('doctor', './free.mjs')).stdout).toContain('owner         nobody\n')
  write('mute.mjs', group(''))
  expect((await fleeting('doctor', './mute.mjs')).stdout).not.toContain('owner')
  write('down.mjs', group("owners: async () => { throw new Error('no permission') }, claim: async () => {},"))
  const down = await fleeting('doctor', './down.mjs')
  expect(down).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('the owner of the group cannot be read: no permission'),
  })
})

test.each([
  [
    'leaves a timer behind',
    "async () => { setInterval(() => {}, 1000); return { id: 'open', maxSize: 3, version: '1' } }",
    0,
  ],
  ['never initialises', '() => new Promise(() => setInterval(() => {}, 1000))', 2],
])('the command ends although the plugin %s, and says what is open', async (_, init, code) => {
  write(
    'open.mjs',
    `export const createInstanceGroup = () => ({
      init: ${init}, list: async () => [], increase: async () => ({ requested: 0 }), decrease: async (ids) => ({ accepted: ids }),
      connectInfo: async () => ({}), shutdown: async () => {},
    })`,
  )
  const result = await fleeting(
    'conformance',
    './open.mjs',
    '--only',
    'init reports only',
    '--patience',
    '1',
    '--poll',
    '0',
  )
  expect(result).toMatchObject({
    code,
    stderr: expect.stringContaining('still open after shutdown, by the plugin most likely: '),
  })
  expect(result.stderr).toContain('Timeout')
})

test('a group that is in use is left alone, unless told', async () => {
  write(
    'used.mjs',
    `export const createInstanceGroup = () => ({
      init: async () => ({ id: 'used', maxSize: 3, version: '1' }), list: async () => [{ id: 'old', state: 'running' }],
      increase: async () => { throw new Error('touched') }, decrease: async () => { throw new Error('touched') },
      connectInfo: async () => ({}), shutdown: async () => {},
    })`,
  )
  const refused = await fleeting('conformance', './used.mjs', '--only', 'list returns')
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('the group already has instances: old.') })
  expect(await fleeting('conformance', './used.mjs', '--only', 'list returns', '--poll', '0', '--yes')).toMatchObject({
    code: 0,
    stderr: '',
  })
})

test.each([
  ['no plugin', ['./none.mjs'], 'no such file'],
  ['no file', ['local', '--config', 'none.toml'], 'error: none.toml: '],
  ['an unknown key', ['local', '--config', 'wrong.toml'], 'plugin_config.rot_dir: expected no such key'],
  [
    'a connector that cannot be',
    ['local', '--config', 'connector.json'],
    'connector_config.timeout: expected a duration such as "1m30s", got "soon"',
  ],
  ['an option that is no number', ['local', '--max-instances', '0'], 'expected a whole number, at least 1'],
  ['no such case', ['local', '--only', 'nothing like it'], 'error: --only: no case'],
  ['TypeScript that this Node does not run', ['./plugin.tsx'], 'compile it to JavaScript'],
  ['no such cloud', ['local', '--cloud', './none.mjs'], 'error: --cloud: '],
])('nothing is started with %s', async (_, args, message) => {
  write('wrong.toml', 'plugin_config = { rot_dir = "x" }\n')
  write('plugin.tsx', 'export const createInstanceGroup = 1\n')
  write('connector.json', '{"connector_config": {"timeout": "soon"}}')
  const { code, stdout, stderr } = await fleeting('conformance', ...args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
})

test('Ctrl-C removes what was made', async () => {
  const child = spawn(process.execPath, [bin, 'conformance', 'local', '--config', 'config.toml', '--poll', '0.02'], {
    cwd: folder,
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (!child.killed && readdirSync(instances).length > 0 && output.includes('increase by')) child.kill('SIGINT')
  })
  expect(await once(child, 'exit')).toEqual([1, null])
  expect(output).toContain('stopped by a signal')
  expect(output).toMatch(/ skipped .*\n {4}the run was stopped$/m)
  expect(output).toMatch(/ passed {2}nothing is left, and the group shuts down/)
  expect(readdirSync(instances)).toEqual([])
})

test('a reader that has read enough is no failure', async () => {
  const child = spawn(process.execPath, [bin, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = await once(child, 'close')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
