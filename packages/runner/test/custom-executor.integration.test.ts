import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { expect, test } from 'vitest'
import { parseConfig } from '../src/config/parse-config.ts'
import { jobsThroughShim } from './custom-executor/jobs-through-shim.ts'
import { client, ShimFixture } from './custom-executor/shim-fixture.ts'

test('jobs of every kind run through the custom executor, and nothing is left of them', {
  timeout: 120_000,
}, async () => {
  await jobsThroughShim(12)
})

test('a job whose GitLab Runner was killed is ended on its machine, and its slot is given back', async () => {
  await using fixture = new ShimFixture({ options: ['--idle-timeout', 'never'] })
  // A process of its own, that can be killed with nothing behind it: neither SIGTERM nor a clean-up.
  const owner = spawn(
    process.execPath,
    [
      '--conditions=@runner-core/source',
      join(import.meta.dirname, 'custom-executor/one-job.ts'),
      fixture.config,
      fixture.folder,
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let log = ''
  owner.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()))
  await fixture.until(() => log.includes('begun'))
  await fixture.until(() => fixture.processes().filter((line) => line.endsWith('sleep 4321')).length === 2)
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await fixture.until(() => fixture.log.some(({ msg }) => msg === 'job ended'))
  expect(fixture.log.find(({ msg }) => msg === 'job ended')).toMatchObject({
    why: 'its GitLab Runner has gone',
    is_clean: true,
  })
  expect(fixture.processes().filter((line) => line.endsWith('sleep 4321'))).toEqual([])
  expect((await fixture.run({ id: 2, script: ['true'] }).result).state).toBe('success')
})

test('a driver that is killed alone ends its stage; the job goes on to its clean-up', async () => {
  await using fixture = new ShimFixture()
  const run = fixture.run({
    id: 1,
    script: ['trap \'\' TERM; echo be""gun; sleep 4322'],
    afterScript: ['echo "left: $(pgrep -fc "^sleep 4322")"', 'echo it""s end'],
  })
  await run.says('begun')
  run.child?.kill('SIGKILL')
  const { state, reason, log, calls } = await run.result
  expect({ state, reason }).toEqual({ state: 'failed', reason: 'runner_system_failure' })
  expect(log).toContain('\nleft: 0\n')
  expect(log).toContain('\nits end\n')
  expect(calls.at(-1)).toMatchObject({ name: 'cleanup', code: 0 })
  expect(fixture.processes().filter((line) => line.endsWith('sleep 4322'))).toEqual([])
})

test.for([true, false])(
  'a daemon that is killed fails its jobs as a system failure, and the next call begins another; with state: %s',
  async (stateDir) => {
    await using fixture = new ShimFixture({ stateDir })
    const run = fixture.run({ id: 1, script: ['echo be""gun; sleep 4321'] })
    await run.says('begun')
    process.kill(fixture.daemonPids[0]!, 'SIGKILL')
    const { state, reason, log, calls } = await run.result
    expect({ state, reason }).toEqual({ state: 'failed', reason: 'runner_system_failure' })
    expect(log).toContain('the daemon ended during the call')
    expect(calls.at(-1)).toMatchObject({ name: 'cleanup', code: 0 })
    expect((await fixture.run({ id: 2, script: ['echo good'] }).result).state).toBe('success')
    await fixture.until(() => fixture.processes().length === 0)
    expect(fixture.daemonPids).toHaveLength(2)
  },
)

test('calls that come to nothing: clean-ups of nobody, twice; a stage without a machine; a command line that is wrong', async () => {
  await using fixture = new ShimFixture({ options: ['--idle-timeout', 'never'] })
  const call = (words: readonly string[], env: NodeJS.ProcessEnv = {}): { status: number | null; stderr: string } =>
    spawnSync(
      process.execPath,
      [client, words[0]!, '--config', fixture.config, '--idle-timeout', 'never', ...words.slice(1)],
      {
        env: {
          ...process.env,
          TMPDIR: join(fixture.folder, 'tmp'),
          BUILD_FAILURE_EXIT_CODE: '11',
          SYSTEM_FAILURE_EXIT_CODE: '12',
          ...env,
        },
        encoding: 'utf8',
      },
    )
  const stale = join(fixture.folder, 'build_exit_code')
  writeFileSync(stale, '5')
  expect(call(['cleanup']).status).toBe(0)
  expect(call(['run', '/nowhere', 'build_script'], { BUILD_EXIT_CODE_FILE: stale })).toMatchObject({
    status: 12,
    stderr: expect.stringContaining('no daemon'),
  })
  expect(existsSync(stale)).toBe(false)
  expect(fixture.daemonPids).toEqual([])
  expect(call(['prepare']).status).toBe(0)
  expect(call(['run', '/nowhere', 'build_script'])).toMatchObject({
    status: 12,
    stderr: expect.stringContaining('no such file'),
  })
  const script = join(fixture.folder, 'script')
  writeFileSync(script, 'exit 9')
  expect(call(['run', script, 'step_script'], { BUILD_EXIT_CODE_FILE: stale }).status).toBe(11)
  expect(readFileSync(stale, 'utf8')).toBe('9\n')
  expect([call(['cleanup']).status, call(['cleanup']).status]).toEqual([0, 0])
  expect(call(['run', script, 'step_script'])).toMatchObject({
    status: 12,
    stderr: expect.stringContaining('the job is unknown'),
  })
  expect(call(['prepare', '--runner', 'other'])).toMatchObject({
    status: 12,
    stderr: expect.stringContaining('expected --runner with one of shim, got other'),
  })
  expect(call(['prepare', '--confg', 'x'])).toMatchObject({
    status: 12,
    stderr: expect.stringContaining('unknown option --confg'),
  })
  expect(call(['run', script])).toMatchObject({ status: 12 })
  expect(call(['cleanup'], { TMPDIR: '' }).status).toBe(0)
  expect(call(['prepare'], { TMPDIR: '' })).toMatchObject({ status: 12, stderr: expect.stringContaining('TMPDIR') })
})

test.for([
  {
    words: ['--config', '/nowhere/config.toml'],
    says: 'expected config, prepare, run or cleanup as the first argument, got --config',
  },
  {
    words: ['/nowhere/script', 'build_script'],
    says: 'expected config, prepare, run or cleanup as the first argument, got /nowhere/script',
  },
  { words: [], says: 'expected config, prepare, run or cleanup as the first argument, got none' },
  { words: ['prepare'], says: 'no daemon is running, and no --config says which instances a daemon should manage' },
])("a call of $words says what is missing, and leaves nothing in the job's directory", ({ words, says }) => {
  const folder = mkdtempSync(join(tmpdir(), 'rc-shim-'))
  try {
    const { RUNNER_CORE_CUSTOM_EXECUTOR: _, ...env } = process.env
    const { status, stderr } = spawnSync(process.execPath, [client, ...words], {
      cwd: folder,
      env: { ...env, TMPDIR: folder, SYSTEM_FAILURE_EXIT_CODE: '12' },
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 12, stderr: `ERROR: runner-core: ${says}\n` })
    expect(readdirSync(folder)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('SIGQUIT to the daemon lets its jobs finish, takes no others, and ends it', async () => {
  await using fixture = new ShimFixture({ options: ['--idle-timeout', 'never'] })
  const gate = join(fixture.folder, 'gate')
  const run = fixture.run({ id: 1, script: [`echo be""gun; until [ -e '${gate}' ]; do sleep 0.05; done`] })
  await run.says('begun')
  process.kill(fixture.daemonPids[0]!, 'SIGQUIT')
  const refused = await fixture.run({ id: 2, script: ['true'] }).result
  expect(refused.log).toContain('the daemon is stopping: it accepts no more jobs')
  writeFileSync(gate, '')
  expect((await run.result).state).toBe('success')
  await fixture.until(() => fixture.processes().length === 0)
})

test('many first calls at once begin one daemon', async () => {
  await using fixture = new ShimFixture()
  const results = await Promise.all(
    Array.from({ length: 6 }, (_, index) => fixture.run({ id: index, script: ['true'] }).result),
  )
  expect(results.map(({ state }) => state)).toEqual(results.map(() => 'success'))
  expect(fixture.daemonPids).toHaveLength(1)
})

test('nobody else can reach the daemon, and it has nothing of the job that began it', async () => {
  await using fixture = new ShimFixture()
  const run = fixture.run({ id: 1, script: ['echo be""gun; sleep 0.2'], variables: { SECRET: 'very-secret-value' } })
  await run.says('begun')
  const mode = (path: string): number => lstatSync(path).mode & 0o777
  expect([mode(fixture.directory), mode(join(fixture.directory, 'socket'))]).toEqual([0o700, 0o600])
  const environment = readFileSync(`/proc/${fixture.daemonPids[0]}/environ`, 'utf8')
  expect(environment).toContain('PATH=')
  expect(environment).not.toMatch(/CUSTOM_ENV_|JOB_RESPONSE_FILE|TMPDIR|very-secret-value/)
  await run.result
  expect(JSON.stringify(fixture.log)).not.toContain('very-secret-value')
})

test('a directory that others can enter is refused', async () => {
  await using fixture = new ShimFixture()
  mkdirSync(fixture.directory)
  chmodSync(fixture.directory, 0o755)
  const { state, reason, log } = await fixture.run({ id: 1, script: ['true'] }).result
  expect({ state, reason }).toEqual({ state: 'failed', reason: 'runner_system_failure' })
  expect(log).toContain('expected a directory of this user that nobody else can enter')
})

test('a daemon that cannot serve ends, and the call says why', async () => {
  await using fixture = new ShimFixture()
  const { state, log } = await fixture.run(
    { id: 1, script: ['true'] },
    {
      driverOptions: [
        '--config',
        fixture.config,
        '--directory',
        join(fixture.folder, 'x'.repeat(100)),
        '--idle-timeout',
        'never',
      ],
    },
  ).result
  expect(state).toBe('failed')
  expect(log).toContain("expected at most 100 bytes, as a socket's path; name a shorter --directory")
  expect(log).toContain('the daemon could not start; its log is')
  expect(fixture.processes()).toEqual([])
})

test('what is wrong with the configuration stands in the log of the job; prepare is tried three times, each with its clean-up', async () => {
  await using fixture = new ShimFixture({ autoscaler: 'max_instancs = 3' })
  const { state, reason, log, calls } = await fixture.run({ id: 1, script: ['true'] }).result
  expect({ state, reason }).toEqual({ state: 'failed', reason: 'runner_system_failure' })
  expect(log).toContain('max_instancs: expected a known key, got an unknown one; did you mean max_instances?')
  expect(calls.map(({ name, code }) => `${name} ${code}`)).toEqual([
    'config 2',
    'cleanup 0',
    'config 2',
    'cleanup 0',
    'config 2',
    'cleanup 0',
  ])
})

test('without config_exec and cleanup_exec jobs run too, and are over when their directory goes', async () => {
  await using fixture = new ShimFixture()
  const exec = { config: false, cleanup: false } as const
  expect((await fixture.run({ id: 1, script: ['sleep 4321 & echo fine'] }, { exec }).result).state).toBe('success')
  await fixture.until(() => fixture.log.some(({ msg }) => msg === 'job ended'))
  expect(fixture.processes().filter((line) => line.endsWith('sleep 4321'))).toEqual([])
})

test('more jobs than slots wait their turn, and say for what', async () => {
  await using fixture = new ShimFixture({ autoscaler: 'max_use_count = 2' })
  writeFileSync(
    fixture.config,
    readFileSync(fixture.config, 'utf8')
      .replace('max_instances = 2', 'max_instances = 1')
      .replace('capacity_per_instance = 4', 'capacity_per_instance = 1'),
  )
  const runs = [1, 2, 3, 4].map((id) => fixture.run({ id, script: ['echo fine'] }))
  const results = await Promise.all(runs.map(({ result }) => result))
  expect(results.map(({ state }) => state)).toEqual(results.map(() => 'success'))
  expect(results.map(({ log }) => log).join('')).toMatch(/Waiting|waiting/)
})

test("the guide's two files: our own is read, and GitLab Runner's calls what is there", async () => {
  await using fixture = new ShimFixture()
  const example = (name: string): string =>
    readFileSync(join(import.meta.dirname, '../../../examples/runner', name), 'utf8')
  expect(parseConfig(example('custom-executor.toml')).warnings).toEqual([])
  const { runners } = parse(example('gitlab-runner.toml')) as { runners: { custom: Record<string, unknown> }[] }
  const custom = runners[0]!.custom
  const own = (text: string): string =>
    text
      .replace('/opt/runner-core/node_modules/@runner-core/runner/bin/custom-executor.cjs', client)
      .replace('/etc/runner-core/config.toml', fixture.config)
  const commands = Object.fromEntries(
    ['config', 'prepare', 'run', 'cleanup'].map((call) => [
      call,
      [custom[`${call}_exec`] as string, ...(custom[`${call}_args`] as string[])].map(own),
    ]),
  )
  const { state, log } = await fixture.run({ id: 1, script: ['echo fi""ne'] }, { commands }).result
  expect(state, log).toBe('success')
  expect(log).toContain('fine')
})

test('SIGTERM to the daemon ends its jobs and removes its machines', async () => {
  await using fixture = new ShimFixture()
  const run = fixture.run({ id: 1, script: ['echo be""gun; sleep 4321'] })
  await run.says('begun')
  process.kill(fixture.daemonPids[0]!, 'SIGTERM')
  const { state, reason, log } = await run.result
  expect({ state, reason }).toEqual({ state: 'failed', reason: 'runner_system_failure' })
  expect(log).toContain('the daemon is stopping')
  await fixture.until(() => fixture.processes().length === 0)
})
