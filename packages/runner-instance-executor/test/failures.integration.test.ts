// Each row of docs/reference/failures.md, made to happen.
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GroupError, type InstanceGroup, systemClock } from '@runner-core/fleeting'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { JobError, type JobOutcome, type JobPayload, runJob, type ShellName } from '@runner-core/job'
import type { Reservation } from '@runner-core/taskscaler'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { payload, run, runner, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { SmallDisk, smallDiskMissing } from '@runner-core/testkit/machine/small-disk'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { ExecutorFleet, type FleetOptions } from './executor-fleet.ts'

const rows = readFileSync(new URL('../../../docs/reference/failures.md', import.meta.url), 'utf8')
  .split('\n\n')
  .find((part) => part.startsWith('| what happens |'))!
  .split('\n')
  .slice(2)
  .map((row) => row.split('|').map((cell) => cell.trim().replaceAll('`', '')))
  .map(([, what, code, reason, exitCode]) => ({ what: what!, code: code!, reason: reason!, exitCode: exitCode! }))

let fleet: ExecutorFleet | undefined
let group: InstanceGroup | undefined
/** Set: where machines are is not told. */
let refusal: Error | undefined
/** Set: all instances are this machine. */
let machine: string | undefined
afterEach(async () => {
  refusal = undefined
  machine = undefined
  await fleet?.[Symbol.asyncDispose]()
  fleet = undefined
})

/** A fleet of one machine with one slot, which has run a job already. */
async function start(options: Partial<FleetOptions> = {}): Promise<ExecutorFleet> {
  const machines = await launch(options)
  await machines.run(payload())
  return machines
}

/** A fleet that has no machine yet. */
async function launch(options: Partial<FleetOptions> = {}): Promise<ExecutorFleet> {
  fleet = await ExecutorFleet.start({
    createInstanceGroup: (config, context) => {
      const made = createLocalGroup(config, context)
      const connectInfo = made.connectInfo.bind(made)
      group = made
      return Object.assign(made, {
        connectInfo: async (...call: Parameters<typeof connectInfo>) => {
          if (refusal !== undefined) throw refusal
          return { ...(await connectInfo(...call)), ...(machine !== undefined && { machine }) }
        },
      })
    },
    pluginConfig: (directory) => ({ root_dir: directory, shell: '/bin/bash' }),
    maxInstances: 1,
    ...options,
  })
  return fleet
}

const interrupted = new JobError('interrupted', 'runner_interrupted', 'the runner was stopped')
const going = { script: ['echo going on; sleep 60'] }
const onceGoing = (act: () => void) => ({ onOutput: (trace: string) => trace.includes('\ngoing on\n') && act() })
const settings = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([key, value]) => variable(key, value))

/** What becomes of a job that waits for the one slot, which another one has. `onWait`: it is told why it waits. */
async function whileWaiting({
  timeoutSeconds = 60,
  onWait,
}: {
  timeoutSeconds?: number
  onWait?: (abort: AbortController) => void
}): Promise<JobOutcome> {
  const machines = await start({ executor: { acquireTimeoutMs: 1000 } })
  const holder = new AbortController()
  let begin = (): void => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const held = machines.run(payload(going), { abort: holder.signal, ...onceGoing(() => begin()) })
  await begun
  const abort = new AbortController()
  const outcome = await runJob({
    payload: payload({ overrides: { timeout_seconds: timeoutSeconds } }),
    prepare: async (report, signal) => {
      const told = (line: string): void => {
        report(line)
        onWait?.(abort)
      }
      // As a job that has lost its first place: with no promise of another one.
      const place = await machines.executor.prepare({ priority: 0 } as Reservation, {
        report: told,
        signal,
        again: true,
      })
      return place.environment
    },
    trace: { write: () => {} },
    clock: systemClock,
    canceling: new AbortController().signal,
    abort: abort.signal,
    runner,
  })
  holder.abort()
  await held
  return outcome
}

/** On this machine, without a fleet: what depends on the job and its shell alone. */
async function alone(
  job: JobPayload,
  { path, buildsDir, shell = 'bash' }: { path?: string; buildsDir?: string; shell?: ShellName } = {},
): Promise<JobOutcome> {
  const env = path === undefined ? {} : { PATH: path }
  using environment = new LocalEnvironment({
    localShell: { name: shell, shell },
    env,
    ...(buildsDir !== undefined && { buildsDir }),
  })
  return (await run(environment, job)).outcome
}

/** A directory of programs that has no git. */
function pathWithoutGit(): string {
  const directory = mkdtempSync(join(tmpdir(), 'runner-core-no-git-'))
  for (const name of ['bash', 'mkdir', 'rm', 'uname']) symlinkSync(`/bin/${name}`, join(directory, name))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

const sha = '0'.repeat(40)
const cases: Readonly<Record<string, () => Promise<JobOutcome>>> = {
  'a command of the script fails': async () => (await (await start()).run(payload({ script: ['exit 3'] }))).outcome,
  'a command of after_script fails, with AFTER_SCRIPT_IGNORE_ERRORS: false': async () => {
    const strict = settings({ AFTER_SCRIPT_IGNORE_ERRORS: 'false' })
    return (await (await start()).run(payload({ afterScript: ['exit 3'], variables: strict }))).outcome
  },
  "the script's shell is killed, by itself or for want of memory": async () =>
    (await (await start()).run(payload({ script: ['kill -9 $$'] }))).outcome,
  'the job takes longer than its timeout': async () =>
    (await (await start()).run(payload({ ...going, overrides: { timeout_seconds: 1 } }))).outcome,
  "the job's timeout is over while it waits for a machine": () => whileWaiting({ timeoutSeconds: 0.5 }),
  'the script takes longer than RUNNER_SCRIPT_TIMEOUT': async () =>
    (await (await start()).run(payload({ ...going, variables: settings({ RUNNER_SCRIPT_TIMEOUT: '500ms' }) }))).outcome,
  'the job is canceled': async () => {
    const abort = new AbortController()
    return (await (await start()).run(payload(going), { abort: abort.signal, ...onceGoing(() => abort.abort()) }))
      .outcome
  },
  'the job is canceled while it waits for a machine': () => whileWaiting({ onWait: (abort) => abort.abort() }),
  'the runner is stopped': async () => {
    const abort = new AbortController()
    return (
      await (await start()).run(payload(going), { abort: abort.signal, ...onceGoing(() => abort.abort(interrupted)) })
    ).outcome
  },
  'the fleet is shut down under a job that waits': async () => {
    const machines = await launch()
    const outcome = machines.run(payload()).then((result) => result.outcome)
    setImmediate(() => void machines.scaler.shutdown({ removeInstances: true, timeoutMs: 1000 }))
    return outcome
  },
  'there is no slot within instance_acquire_timeout': () => whileWaiting({}),
  'no machine can be dialled': async () => {
    const machines = await start({ executor: { acquireTimeoutMs: 1500, connectTimeoutMs: 300 } })
    machines.goAway(60_000)
    return (await machines.run(payload())).outcome
  },
  'the plugin gives no connect info, and would not for any machine': async () => {
    const machines = await start({ executor: { acquireTimeoutMs: 1500 } })
    refusal = new GroupError('auth', 'the credentials were revoked')
    machines.cut()
    return (await machines.run(payload())).outcome
  },
  'the connection is lost under the script, for longer than reconnect_grace where it is detached': async () => {
    const machines = await start({ executor: { detach: { reconnectGraceMs: 300, limitBytes: 100_000 } } })
    return (
      await machines.run(
        payload(going),
        onceGoing(() => machines.goAway(60_000)),
      )
    ).outcome
  },
  'the machine is removed under the script': async () => {
    const machines = await start({ executor: { detach: { reconnectGraceMs: 60_000, limitBytes: 100_000 } } })
    const ids = [...machines.provisioner.instances().keys()]
    return (
      await machines.run(
        payload(going),
        onceGoing(() => void group!.decrease(ids, AbortSignal.timeout(10_000))),
      )
    ).outcome
  },
  'the machine has no such shell': () => alone(payload(), { path: '/nowhere' }),
  'the build directory cannot be made': () => alone(payload(), { buildsDir: '/proc/nowhere' }),
  "the machine's disk is full, over quota or read-only, or has less than min_free_space": async () => {
    const directory = mkdtempSync(join(tmpdir(), 'runner-core-full-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    using disk = new SmallDisk(join(directory, 'builds'), '64k')
    disk.fill()
    return await alone(payload({ variables: [variable('A_FILE', 'x', { file: true })] }), { buildsDir: disk.directory })
  },
  "something of an earlier job may be alive in the job's slot": async () => {
    machine = 'host'
    const machines = await start({
      claims: { identity: 'token', manager: 'manager', isExclusive: false },
      isSwept: false,
    })
    await machines.run(payload())
    const { buildsDir } = (await machines.run(payload())).environment!
    const detached = join(buildsDir, '.detached')
    for (const name of readdirSync(detached)) writeFileSync(join(detached, name), 'other manager run\n1 (sh) S 1\n')
    return (await machines.run(payload())).outcome
  },
  'the machine has no git': () => alone(gitJob('file:///nowhere.git', sha), { path: pathWithoutGit() }),
  'git cannot get the sources, after GET_SOURCES_ATTEMPTS': () => alone(gitJob('file:///nowhere.git', sha)),
  'the job holds what no shell or no git can be given': () => alone(gitJob('--upload-pack=x', sha)),
  "the job needs more of the runner's memory or time than one job may have: the message names the field and the bound":
    () => alone(payload({ variables: [variable('A', 'x'.repeat(100_000)), variable('B', '$A'.repeat(100))] })),
  'the job needs what this runner does not have': () => alone(payload({ overrides: { unsupported: ['secrets'] } })),
  'the configured shell is one that no scripts are made for': () => alone(payload(), { shell: 'fish' as ShellName }),
  'something is wrong in the runner itself': async () => {
    using environment = new LocalEnvironment({ localShell: { name: 'bash', shell: 'bash' } })
    const prepare = (): Promise<never> => Promise.reject(new TypeError('undefined is not a function'))
    return (await run(environment, payload(), { prepare })).outcome
  },
}

test('each row of the reference has its case, and no case is without a row', () => {
  expect(rows.map(({ what }) => what)).toEqual(Object.keys(cases))
})

const noSmallDisk = smallDiskMissing()
if (noSmallDisk !== undefined) console.warn(`SKIPPED: failures of machines whose disk is full: ${noSmallDisk}`)

const canHappen = rows.filter(({ code }) => noSmallDisk === undefined || code !== 'machine_unwritable')

test.each(canHappen)('$what: $code, $reason', async ({ what, code, reason, exitCode }) => {
  const outcome = await cases[what]!()
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ state: 'failed', code, reason })
  expect('exitCode' in outcome ? outcome.exitCode : '').toBe({ 'its own': 3, '128 + signal': 137 }[exitCode] ?? '')
})
