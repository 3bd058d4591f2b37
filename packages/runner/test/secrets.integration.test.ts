// Every kind of secret goes through jobs whose manager is killed under them and which the next manager ends; then it is
// looked for in everything that was written, said or shown.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import { parseConfig } from '@runner-core/runner'
import { Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { type BinRun, runBin, startBin } from '@runner-core/testkit/manager/bin'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFleetState } from '../src/state/open-fleet-state.ts'

const missing = sshdMissing() ?? (hasHttpBackend ? undefined : 'git-http-backend is not installed')
if (missing !== undefined) console.warn(`SKIPPED: no secret is written anywhere: ${missing}`)
/** Only root can make a user with a password; others log in with a key, and the password is the one that is refused. */
const isRoot = process.getuid?.() === 0

const random = (): string => randomBytes(12).toString('hex')
/** By name: what must be nowhere. */
let secrets: Map<string, string>
let coordinator: Coordinator
let folder: string
let startedAt: number
let sshd: Sshd
let repository: TestRepository
let git: Awaited<ReturnType<typeof serveGit>>
let runs: BinRun[]

beforeEach(async () => {
  if (missing !== undefined) return
  startedAt = Date.now()
  secrets = new Map(
    [
      'masked variable',
      'masked file variable',
      'file variable',
      'private variable',
      'host password',
      'refused host password',
    ]
      .concat('git password', 'refused git password')
      .map((name) => [name, random()]),
  )
  for (const name of runners) secrets.set(`runner token of ${name}`, `glrt-${random()}`)
  coordinator = await Coordinator.start({ tokens: runners.map(tokenOf), jobRequestsPerMinute: 1e6 })
  folder = mkdtempSync(join(tmpdir(), 'runner-core-secrets-'))
  chmodSync(folder, 0o711)
  for (const shared of ['home', 'tmp']) {
    mkdirSync(join(folder, shared))
    chmodSync(join(folder, shared), 0o777)
  }
  const login = isRoot ? ['PasswordAuthentication yes'] : []
  sshd = await startSshd({
    addresses: ['127.0.0.1', '127.0.0.2'],
    config: [...login, `SetEnv HOME=${join(folder, 'home')} TMPDIR=${join(folder, 'tmp')} SHLVL=1`],
    ...(isRoot && { user: 'runner-core-secrets' }),
  })
  if (isRoot) execFileSync('chpasswd', { input: `${sshd.username}:${secrets.get('host password')}` })
  writeFileSync(join(folder, 'key'), sshd.privateKey, { mode: 0o600 })
  repository = new TestRepository()
  git = await serveGit(repository, secrets.get('git password')!)
  runs = []
  writeFileSync(join(folder, 'config.toml'), config())
})

afterEach(async () => {
  if (missing !== undefined) return
  for (const run of runs) await kill(run)
  for (const { pid, environment, commandLine } of listProcesses()) {
    if (`${environment} ${commandLine}`.includes(folder)) killIfThere(pid)
  }
  git.close()
  repository[Symbol.dispose]()
  await sshd.stop()
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The last one never gets to its host. */
const runners = ['local', 'hosts', 'refused']
const tokenOf = (runner: string): string => secrets.get(`runner token of ${runner}`)!

function config(): string {
  const host = (address: string, login: string): string =>
    `plugin = "static"\nplugin_config = { instances = { a = { internal_addr = "${address}:${sshd.port}", username = "${sshd.username}", host_key = "${sshd.hostKey}", ${login} } } }`
  const machines: Record<string, string> = {
    local: `plugin = "local"\nplugin_config = { root_dir = "${join(folder, 'instances')}" }`,
    hosts: host(
      '127.0.0.1',
      isRoot ? `password = "${secrets.get('host password')}"` : `key_path = "${join(folder, 'key')}"`,
    ),
    refused: host('127.0.0.2', `password = "${secrets.get('refused host password')}"`),
  }
  const runner = (name: string): string => `[[runners]]
name = "${name}"
url = "${coordinator.url}"
token = "${tokenOf(name)}"
executor = "instance"
${name === 'hosts' ? `builds_dir = "${join(folder, 'home', 'builds')}"` : ''}
[runners.autoscaler]
${machines[name]}
capacity_per_instance = 5
max_instances = 1
update_interval_when_expecting = "200ms"
[[runners.autoscaler.policy]]
idle_count = 1
idle_time = "1h"
`
  return `concurrent = 10
check_interval = 0.5
log_level = "debug"
log_format = "json"
listen_address = "127.0.0.1:0"
state_dir = "${join(folder, 'state')}"
${runners.map(runner).join('')}`
}

function start(): BinRun {
  const run = startBin(['run', '--config', join(folder, 'config.toml')])
  runs.push(run)
  return run
}

async function kill(run: BinRun): Promise<void> {
  run.process.kill('SIGKILL')
  await run.ended
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

/** Has the sources fetched with a password, and prints every secret it knows; then it waits to be let go on. */
function enqueue(runner: string, { password = 'git password', waits = true } = {}): CoordinatorJob {
  return coordinator.enqueue({
    runnerToken: tokenOf(runner),
    git: {
      repoUrl: `http://gitlab-ci-token:${secrets.get(password)}@${git.host}/project.git`,
      ref: 'main',
      sha: commit,
    },
    script: [
      'printf "%s\\n" "$MASKED" "$CI_JOB_TOKEN"; cat "$MASKED_FILE"; test -s "$FILE"; cat file.txt',
      'echo be""gun',
      ...(waits ? [`while [ ! -e "${join(folder, 'go')}" ]; do sleep 0.1; done`] : []),
      'echo fin""ished',
    ],
    variables: [
      { key: 'MASKED', value: secrets.get('masked variable')!, masked: true },
      { key: 'MASKED_FILE', value: secrets.get('masked file variable')!, masked: true, file: true },
      { key: 'FILE', value: secrets.get('file variable')!, file: true },
      { key: 'PRIVATE', value: secrets.get('private variable')!, public: false },
    ],
  })
}
let commit: string

/** What is written, said or shown, by where that is. */
type Texts = ReadonlyMap<string, string>

/** Every file below a directory that can be read, byte by byte. */
function filesBelow(directory: string, since = 0): Texts {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.flatMap(({ parentPath, name }): [string, string][] => {
      const file = join(parentPath, name)
      try {
        const { mtimeMs, size } = statSync(file)
        return mtimeMs < since || size > 64 * 1024 * 1024 ? [] : [[file, readFileSync(file, 'latin1')]]
      } catch {
        return [] // gone meanwhile: somebody else's
      }
    }),
  )
}

/** What has come into the system's directory for temporary files since the test began, ours left out. */
function temporaryFiles(): Texts {
  const top = tmpdir()
  const ours = [folder, repository.root]
  const fresh = readdirSync(top).filter((name) => !ours.includes(join(top, name)))
  return new Map(
    fresh.flatMap((name): [string, string][] => {
      try {
        const path = join(top, name)
        if (statSync(path).isDirectory())
          return statSync(path).birthtimeMs < startedAt ? [] : [...filesBelow(path, startedAt)]
        return statSync(path).isFile() && statSync(path).mtimeMs >= startedAt
          ? [[path, readFileSync(path, 'latin1')]]
          : []
      } catch {
        return []
      }
    }),
  )
}

/** Pages and commands, of a manager that runs or, without its port, of one that does not. */
async function shown(jobs: readonly CoordinatorJob[], run?: BinRun): Promise<Texts> {
  const texts = new Map<string, string>()
  const port = /"port":(\d+)/.exec(run?.stderr ?? '')?.[1]
  if (port !== undefined) {
    for (const path of ['/metrics', '/status', '/decisions', '/health/ready', '/health/live']) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      texts.set(path, await response.text())
      expect([path, response.status, texts.get(path)!.length > 0]).toEqual([path, 200, true])
    }
  }
  const commands = [
    ['status'],
    ['status', '--json'],
    ['explain', '--last', '1000'],
    ['explain', '--last', '1000', '--json'],
    ['plan'],
  ]
  for (const command of [...commands, ...jobs.map(({ id }) => ['explain', '--job', String(id)])]) {
    const { stdout, stderr } = await runBin([...command, '--config', join(folder, 'config.toml')])
    texts.set(command.join(' '), stdout + stderr)
  }
  return texts
}

/** Where which secret is, as it is or in Base64. */
function found(texts: Texts): readonly string[] {
  return [...texts].flatMap(([where, text]) =>
    [...secrets].flatMap(([name, value]) => {
      const forms = [value, Buffer.from(value).toString('base64').replace(/.?=+$/, '')]
      return forms.some((form) => text.includes(form)) ? [`${name} in ${where}`] : []
    }),
  )
}

test.skipIf(missing !== undefined)(
  'jobs whose manager is killed leave no secret in state, logs, pages, answers and errors, nor, once they have ended, on their machines',
  async () => {
    commit = repository.commit('file.txt', 'sources')
    const first = start()
    const jobs = ['local', 'hosts'].flatMap((runner) => [enqueue(runner), enqueue(runner)])
    const begun = (job: CoordinatorJob): boolean => /^begun$/m.test(job.trace.text())
    await expect.poll(() => jobs.filter(begun).length, { timeout: 60_000 }).toBe(jobs.length)
    await expect.poll(() => first.stderr, { timeout: 60_000 }).toContain('authentication')
    const whileTheyRan = await shown(jobs, first)
    await kill(first)
    const killed = new Map([...filesBelow(join(folder, 'state')), ...(await shown(jobs))])

    // What the coordinator says in its errors is not ours to choose.
    const echo = [...secrets.values(), ...jobs.map(({ assignment }) => assignment!.jobToken)].join(' ')
    for (const on of ['request', 'trace'] as const)
      coordinator.inject({ on, times: 2, reply: { status: 500, body: echo } })
    const second = start()
    await expect
      .poll(() => second.stderr.match(/job of an earlier process goes on/g)?.length, { timeout: 60_000 })
      .toBe(jobs.length)
    const canceled = [jobs[1]!, jobs[3]!]
    for (const job of canceled) job.cancel()
    await Promise.all(canceled.map((job) => job.finished))
    writeFileSync(join(folder, 'go'), '')
    const refused = ['local', 'hosts'].map((runner) =>
      enqueue(runner, { password: 'refused git password', waits: false }),
    )
    await Promise.all([...jobs, ...refused].map((job) => job.finished))
    const states = [jobs[0]!, jobs[2]!, ...canceled, ...refused].map(({ state }) => state)
    expect(states.join(' ')).toBe('success success canceled canceled failed failed')
    for (const { trace } of refused) expect(trace.text()).toMatch(/fatal: Authentication failed/)

    const login = isRoot ? [execFileSync('/bin/sh', ['-c', `echo ~${sshd.username}`], { encoding: 'utf8' }).trim()] : []
    const machines = [join(folder, 'instances'), join(folder, 'home'), join(folder, 'tmp'), ...login]
    const detached = (): readonly string[] =>
      machines
        .flatMap((top) => [...filesBelow(top).keys()])
        // The file that says who has a slot stays, and is looked through below as all others are.
        .filter((file) => file.includes('/.detached/') && !file.includes('/.detached/slot.'))
    await expect.poll(detached, { timeout: 10_000 }).toEqual([])
    const onMachines = new Map(machines.flatMap((top) => [...filesBelow(top)]))
    for (const machine of ['instances', 'home']) {
      const sources = [...onMachines.keys()].filter(
        (file) => file.startsWith(join(folder, machine)) && file.endsWith('/file.txt'),
      )
      expect(sources.length, `sources below ${machine}`).toBeGreaterThan(1)
    }
    const afterwards = await shown([...jobs, ...refused], second)
    const running = filesBelow(join(folder, 'state'))
    second.process.kill('SIGQUIT')
    expect(await second.ended).toBe(0)
    const stopped = new Map([...filesBelow(join(folder, 'state')), ...(await shown(jobs))])

    // Keys in the wrong place, and of the wrong kind.
    const text = readFileSync(join(folder, 'config.toml'), 'utf8')
    writeFileSync(
      join(folder, 'config.toml'),
      text.replaceAll(/(password|token) = ("[^"]+")/g, '$1 = [$2], $1_ = $2').replaceAll('], token_', ']\ntoken_'),
    )
    const invalid = await runBin(['validate', '--config', join(folder, 'config.toml')])
    expect([invalid.code, invalid.stderr]).toEqual([2, expect.stringContaining('password')])
    writeFileSync(join(folder, 'config.toml'), text)

    for (const { id, assignment } of [...jobs, ...refused]) secrets.set(`token of job ${id}`, assignment!.jobToken)
    await addKeys(text)
    expect(found(new Map([['config', text]])).length, 'what is there is found').toBeGreaterThan(runners.length)
    const logs = new Map(runs.map(({ stdout, stderr }, index) => [`log ${index + 1}`, stdout + stderr]))
    const traces = new Map([...jobs, ...refused].map(({ id, trace }) => [`trace of ${id}`, trace.text()]))
    const errors = new Map([['validate', invalid.stdout + invalid.stderr]])
    const everywhere: readonly Texts[] = [
      whileTheyRan,
      killed,
      onMachines,
      afterwards,
      running,
      stopped,
      logs,
      traces,
      errors,
    ]
    expect([...new Set([...everywhere, temporaryFiles()].flatMap(found))]).toEqual([])
    expect(statSync(join(folder, '.runner_state_key')).mode & 0o777).toBe(0o600)
  },
  180_000,
)

/** The state key, and each fleet's private key, which only it opens. */
async function addKeys(text: string): Promise<void> {
  secrets.set('state key', /[0-9A-Za-z+/]{43}=/.exec(readFileSync(join(folder, '.runner_state_key'), 'utf8'))![0])
  const { settings } = parseConfig(text, { file: join(folder, 'config.toml') })
  for (const runner of settings.runners) {
    const options = { settings, runner, onWait: () => {}, clock: systemClock, signal: new AbortController().signal }
    const state = (await openFleetState(options))!
    await state.close()
    const lines = state.fleetKey.privateKey.trim().split('\n').slice(1, -1)
    // Those before hold what is the same in every key, and the public half.
    secrets.set(`private key of ${runner.name}`, lines.at(-2)!)
  }
}
