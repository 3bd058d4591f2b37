import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../version.ts'
import { main } from './main.ts'

/** Runs one command line in this process. */
async function runCli(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const stdout: string[] = []
  const stderr: string[] = []
  const code = await main(args, { out: (line) => stdout.push(`${line}\n`), err: (line) => stderr.push(`${line}\n`) })
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'runner-core-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function config(
  name: string,
  { top = '', plugin = 'local', autoscaler = '', more = '', trust = '', mode = 0o600 } = {},
): string {
  const file = join(folder, name)
  writeFileSync(
    file,
    `${top}
[[runners]]
name = "one"
url = "http://127.0.0.1:9"
token = "glrt-very-secret"
executor = "instance"${trust && `\ntrust = "${trust}"`}
[runners.autoscaler]
plugin = "${plugin}"
max_instances = 4
${autoscaler}
${more}`,
    { mode },
  )
  return file
}

describe('usage', () => {
  test('version', async () => {
    expect(await runCli('version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    expect((await runCli('--version')).stdout).toBe(`${version}\n`)
  })

  test('help, everywhere', async () => {
    const helps = [
      ['--help'],
      ['help'],
      ...['run', 'validate', 'plan', 'version', 'fleeting'].map((command) => [command, '--help']),
    ]
    for (const { code, stdout, stderr } of await Promise.all(helps.map((args) => runCli(...args)))) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/^Usage: runner-core.*Exit codes: 0 done, 1 failed, 2 bad input/s)
    }
  })

  test.each([
    [['vlidate'], "error: unknown command 'vlidate'; did you mean validate?\n"],
    [['validate', '--confg', 'x'], "error: unknown option '--confg'; did you mean --config?\n"],
    [['validate', 'x'], "error: too many arguments for 'validate'. Expected 0 arguments but got 1.\n"],
    [['run', '--config'], "error: option '-c, --config <file>' argument missing\n"],
    [
      ['fleeting', 'install', '-c', 'nowhere.toml'],
      'error: nowhere.toml: expected a readable file, got no such file\n',
    ],
    [['fleeting', 'login'], "error: required option '--username <name>' not specified\n"],
    [['fleeting', 'login', '--username', 'ci'], 'error: expected --password-stdin with a password, or --password\n'],
    [['run', '-c', 'nowhere.toml'], 'error: nowhere.toml: expected a readable file, got no such file\n'],
  ])('%j is bad input: one line', async (args, stderr) => {
    expect(await runCli(...args)).toEqual({ code: 2, stdout: '', stderr })
  })

  test('no command: the help, as an error', async () => {
    const { code, stdout, stderr } = await runCli()
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('Usage: runner-core')
  })
})

describe('validate', () => {
  test('a good configuration, with a warning for a key that is ignored', async () => {
    const file = config('good.toml', { trust: 'all', more: '[runners.ssh]' })
    expect(await runCli('validate', '--config', file)).toEqual({
      code: 0,
      stdout: `${file}: valid, 1 runner\n`,
      stderr: `warning: ${file}:12: runners[0].ssh: has no effect: it is about another executor\n`,
    })
  })

  test('warns of jobs of different projects on one instance, and of a file that others can read', async () => {
    const file = config('open.toml', { mode: 0o644 })
    const { code, stderr } = await runCli('validate', '--config', file)
    expect(code).toBe(0)
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(
        /^warning: .*open\.toml: expected a file that others cannot read or write, since it holds tokens, got mode 644/,
      ),
      expect.stringMatching(
        /^warning: .*open\.toml:2: runners\[0\]: expected trust = "all", "project" or "none", got nothing: .*\(max_use_count is not set\)/,
      ),
    ])
  })

  test('warns of a listener at all addresses of the machine', async () => {
    const listening = (address: string): string =>
      config('listens.toml', { trust: 'all', top: `listen_address = "${address}"` })
    expect((await runCli('validate', '--config', listening('127.0.0.1:9252'))).stderr).toBe('')
    const { code, stderr } = await runCli('validate', '--config', listening(':9252'))
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^warning: .*listen_address: .*got all addresses/)])
  })

  test('refuses trust = "none" where jobs are the manager\'s own user', async () => {
    const { code, stderr } = await runCli(
      'validate',
      '--config',
      config('none.toml', { trust: 'none', autoscaler: 'max_use_count = 3' }),
    )
    expect(code).toBe(2)
    expect(stderr).toContain('runners[0].trust: expected "all" or "project", got "none" with plugin "local"')
    expect(stderr).toContain('runners[0].autoscaler.max_use_count: expected 1, because trust is "none", got 3')
  })

  test('one runner of two that is refused is an error, and the other one counts', async () => {
    const second = `[[runners]]\nname = "two"\nurl = "http://127.0.0.1:9"\ntoken = "t"\nexecutor = "instance"\ntrust = "all"\nartifact = { upload_timeout = "1m" }\n[runners.autoscaler]\nplugin = "local"`
    const file = config('refused.toml', { trust: 'all', more: second })
    const { code, stdout, stderr } = await runCli('validate', '--config', file)
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: `${file}: 1 of 2 runners is refused, the others would run\n`,
    })
    expect(stderr).toMatch(
      /^error: .*refused\.toml:18: runners\[1\]\.artifact: expected no such key, got a table; .* --allow-ignored runners\.artifact\n$/,
    )
    const allowed = await runCli('validate', '--config', file, '--allow-ignored', 'runners.artifact')
    expect(allowed).toMatchObject({ code: 0, stdout: `${file}: valid, 2 runners\n` })
    expect(allowed.stderr).toContain('runners[1].artifact: ignored, as --allow-ignored says')
    expect(await runCli('validate', '--config', file, '--allow-ignored', 'runners.limit')).toMatchObject({
      code: 2,
      stderr: `error: ${file}: --allow-ignored: expected a key that is refused, got "runners.limit"\n`,
    })
  })

  test('five mistakes are named, all five, and nothing secret', async () => {
    const file = config('broken.toml', {
      top: 'concurrent = "many"\nlog_levle = "info"',
      plugin: 'nosuch',
      autoscaler: 'idle_count = 1',
      more: '[[runners.autoscaler.policy]]\ntimezone = "Nowhere"',
    })
    const { code, stdout, stderr } = await runCli('validate', '--config', file)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.trim().split('\n')).toEqual([
      `error: ${file}:1: concurrent: expected a whole number ≥ 0, got "many"`,
      `error: ${file}:2: log_levle: expected a known key, got an unknown one; did you mean log_level?`,
      `error: ${file}:9: runners[0].autoscaler.plugin: expected a plugin that can be loaded, got plugin "nosuch": it is not installed; try: npm install @runner-core/fleeting-plugin-nosuch, or put an executable made for GitLab Runner on PATH`,
      `error: ${file}:11: runners[0].autoscaler.idle_count: expected a known key, got an unknown one`,
      `error: ${file}:13: runners[0].autoscaler.policy[0].timezone: expected an IANA time zone such as "Europe/Berlin", got "Nowhere"`,
    ])
    expect(stderr).not.toContain('secret')
  })

  test("a plugin's own settings are checked by the plugin, each problem in its place", async () => {
    const file = config('plugin.toml', { autoscaler: 'plugin_config = { max_size = -1, shel = "/bin/sh" }' })
    const { code, stderr } = await runCli('validate', '--config', file)
    expect(code).toBe(2)
    expect(stderr).toMatch(/:10: runners\[0\]\.autoscaler\.plugin_config\.max_size: expected .*, got -1\n/)
    expect(stderr).toMatch(/:10: runners\[0\]\.autoscaler\.plugin_config\.shel: expected .*shell/)
    expect(stderr.trim().split('\n')).toHaveLength(2)
  })

  test('a plugin that cannot be loaded is a problem with its causes, each once', async () => {
    const plugin = join(folder, 'unloadable.mjs')
    writeFileSync(plugin, 'throw new Error("no SDK", { cause: new Error("libcloud.so: not found") })')
    const { code, stderr } = await runCli('validate', '--config', config('unloadable.toml', { plugin }))
    expect(code).toBe(2)
    expect(stderr.endsWith(`${plugin} cannot be loaded: no SDK: libcloud.so: not found\n`)).toBe(true)
  })

  test('run says the same, and starts nothing', async () => {
    const file = config('run.toml', { top: 'check_interval = -1' })
    const { code, stdout, stderr } = await runCli('run', '--config', file)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(`error: ${file}:1: check_interval: expected a number of seconds ≥ 0, or a duration, got -1\n`)
    expect(existsSync(join(folder, '.runner_system_id'))).toBe(false)
  })
})

test.each([
  ['docker', ''],
  ['docker-autoscaler', '[runners.autoscaler]\nplugin = "local"\n'],
])('the custom executor of another runner refuses %s', async (executor, autoscaler) => {
  const file = config(`${executor}.toml`, {})
  const text = `[[runners]]\nname = "one"\nurl = "http://127.0.0.1:9"\ntoken = "glrt-x"\nlimit = 1\nexecutor = "${executor}"\n`
  writeFileSync(file, `${text}[runners.docker]\nimage = "ruby"\n${autoscaler}`, { mode: 0o600 })
  expect(await runCli('validate', '-c', file)).toMatchObject({ code: 0 })
  const stderr = `error: ${file}:6: runners[0].executor: expected "instance", got "${executor}", whose containers cannot run the scripts of another runner\n`
  expect(await runCli('custom-executor', 'daemon', '-c', file)).toEqual({ code: 2, stdout: '', stderr })
})

describe('plan', () => {
  test('says what would be done and why, and makes nothing', async () => {
    const file = config('plan.toml', {
      autoscaler: `plugin_config = { root_dir = "${folder}/plan" }`,
      more: '[[runners.autoscaler.policy]]\nidle_count = 2',
    })
    const { code, stdout } = await runCli('plan', '--config', file)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^one: group local\/one, at most 4 instances\n {2}instances: none\n/)
    expect(stdout).toMatch(/ {2}increase by 2: .*2 to keep idle/)
    expect(existsSync(join(folder, 'plan'))).toBe(false)
  })

  test('as JSON', async () => {
    const file = config('json.toml', { more: '[[runners.autoscaler.policy]]\nidle_count = 9' })
    const { code, stdout } = await runCli('plan', '--json', '--config', file)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      {
        runner: 'one',
        maxInstances: 4,
        plan: { increase: [{ count: 4 }], heldBack: { count: 5, blockedBy: 'max_instances' } },
      },
    ])
  })

  test('a group that cannot be read is an error, and the others are planned', async () => {
    const second =
      '[[runners]]\nname = "two"\nurl = "http://127.0.0.1:9"\ntoken = "glrt-x"\nexecutor = "instance"\n[runners.autoscaler]\nplugin = "PLUGIN"'.replace(
        'PLUGIN',
        join(folder, 'broken-plugin.mjs'),
      )
    writeFileSync(
      join(folder, 'broken-plugin.mjs'),
      'export const createInstanceGroup = () => ({ async init() { throw new Error("no list: no permission", { cause: new Error("no permission", { cause: new Error("role ci") }) }) }, async list() {}, async increase() {}, async decrease() {}, async connectInfo() {}, async shutdown() {} })',
    )
    const file = config('two.toml', { more: second })
    const { code, stdout, stderr } = await runCli('plan', '--config', file)
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'error: runner two: no list: no permission: role ci\n' })
    expect(stdout).toContain('one: group local/one')
  })

  test('a configuration that run would refuse to start with is an error', async () => {
    const file = config('too-many.toml', {
      autoscaler: `plugin_config = { max_size = 3, root_dir = "${folder}/plan" }`,
    })
    expect(await runCli('plan', '--config', file)).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: runner one: max_instances: expected at most 3, the maximum of group local/one, got 4\n',
    })
  })

  test('the second of two runners whose groups turn out to be one is an error', async () => {
    const plugin = join(folder, 'same-group.mjs')
    writeFileSync(
      plugin,
      `export const createInstanceGroup = () => ({ init: async () => ({ id: 'cloud/same', maxSize: 9, version: '1' }), list: async () => [], async increase() {}, async decrease() {}, async connectInfo() {}, async shutdown() {} })`,
    )
    const second = `[[runners]]
name = "two"
url = "http://127.0.0.1:9"
token = "glrt-x"
executor = "instance"
[runners.autoscaler]
plugin = "${plugin}"
plugin_config = { other = true }`
    const { code, stdout, stderr } = await runCli('plan', '--config', config('same.toml', { plugin, more: second }))
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'error: runner two: expected an instance group of its own, got cloud/same, which runner one has\n',
    })
    expect(stdout).toMatch(/^one: group cloud\/same, at most 4 instances\n/)
    expect(stdout).not.toContain('two')
  })
})

test('run: an address that cannot be listened at is a problem of the configuration', async () => {
  const taken = createServer()
  await once(taken.listen(0, '127.0.0.1'), 'listening')
  const { port } = taken.address() as AddressInfo
  const file = config('taken.toml', { top: `log_level = "error"\nlisten_address = "127.0.0.1:${port}"` })
  expect(await runCli('run', '--config', file)).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: ${file}:2: listen_address: expected an address to listen at, got address already in use 127.0.0.1:${port}\n`,
  })
  taken.close()
})
