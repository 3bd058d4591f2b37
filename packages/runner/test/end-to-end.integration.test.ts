import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { findSshd, startSshd } from '@runner-core/testkit/ssh/bench-sshd'
import { expect, test } from 'vitest'
import { type Case, cases, secret } from './end-to-end-cases.ts'

const bin = fileURLToPath(new URL('../bin/runner-core.js', import.meta.url))

/** `plugin_config` of one instance or two, and what must be stopped after the runner. */
async function autoscaler(plugin: 'local' | 'static', folder: string, cleanUp: AsyncDisposableStack): Promise<string> {
  if (plugin === 'local')
    return `max_instances = 2\n[runners.autoscaler.plugin_config]\nroot_dir = "${join(folder, 'instances')}"`
  const { port, username, keyFile, hostKey } = cleanUp.use(await startSshd(findSshd()!, folder))
  return `max_instances = 1
[runners.autoscaler.plugin_config.instances.host]
internal_addr = "127.0.0.1:${port}"
username = "${username}"
key_path = "${keyFile}"
host_key = "${hostKey}"`
}

function startRunner(
  config: string,
  folder: string,
  cleanUp: AsyncDisposableStack,
): { readonly child: ChildProcess; readonly log: () => string } {
  writeFileSync(join(folder, 'config.toml'), config)
  const child = spawn(process.execPath, [bin, 'run', '--config', join(folder, 'config.toml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  cleanUp.defer(() => void child.kill('SIGKILL'))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  return { child, log: () => log }
}

/** What the trace has between the line `<` and, if it comes, the line `>`. */
function between(trace: string): string {
  const body = trace.slice(trace.indexOf('\n<\n') + 3)
  const end = body.indexOf('\n>\n')
  return end < 0 ? body : body.slice(0, end + 1)
}

function check({ name, expected, output, has = [], lacks = [] }: Case, job: CoordinatorJob): void {
  const trace = job.trace.text()
  const { state, exitCode } = job
  // A canceled job ends with a reason, too; which one is the runner's choice.
  const failureReason = state === 'canceled' ? undefined : job.failureReason
  expect({ state, failureReason, exitCode }, `${name}\n${trace}`).toEqual({
    failureReason: undefined,
    exitCode: undefined,
    ...expected,
  })
  if (output !== undefined) expect(between(trace).slice(0, output.length), name).toBe(output)
  for (const text of has) expect(trace, name).toContain(text)
  for (const text of [secret, job.assignment!.jobToken, ...lacks]) expect(trace, name).not.toContain(text)
}

test.for(['local', 'static'] as const)(
  'a few dozen mixed jobs on plugin %s end as they must, and nothing is left',
  async (plugin, { skip }) => {
    if (plugin === 'static' && findSshd() === undefined) skip('sshd is not installed')
    await using cleanUp = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'runner-core-e2e-'))
    cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
    chmodSync(folder, 0o755) // sshd's user reads its authorized_keys there
    const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1 }))
    const run = cases.map((each) => ({ each, job: coordinator.enqueue({ ...each.spec, name: each.name }) }))
    const waiting = coordinator.enqueue({ script: ['echo never\\ reached'] })
    waiting.cancel()

    const instances = new AsyncDisposableStack()
    cleanUp.use(instances)
    const config = `concurrent = 8
[[runners]]
name = "end-to-end"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
[runners.autoscaler]
plugin = "${plugin}"
capacity_per_instance = 4
update_interval_when_expecting = "200ms"
${await autoscaler(plugin, folder, instances)}
[[runners.autoscaler.policy]]
idle_time = "10s"
`
    const { child, log } = startRunner(config, folder, cleanUp)
    const exited = once(child, 'exit')
    const early = exited.then(([code]) => Promise.reject(new Error(`the runner ended with ${code}:\n${log()}`)))
    early.catch(() => {})
    const cancelling = setInterval(() => {
      for (const { each, job } of run)
        if (job.state === 'running' && job.times.firstOutputAt !== undefined && each.cancel !== undefined)
          job.cancel(each.cancel)
    }, 50)
    cleanUp.defer(() => clearInterval(cancelling))
    await Promise.race([Promise.all(run.map(({ job }) => job.finished)), early])

    for (const { each, job } of run) check(each, job)
    expect(waiting.trace.size).toBe(0)
    expect(coordinator.violations).toEqual([])
    // Before the instances end, which would end them too.
    const sleepers = () =>
      listProcesses().filter(
        ({ environment, commandLine }) => environment.includes(folder) && commandLine.startsWith('sleep'),
      )
    await expect.poll(sleepers, { timeout: 3000 }).toEqual([])

    child.kill('SIGQUIT')
    expect(await exited, log()).toEqual([0, null])
    await instances.disposeAsync()
    expect(
      listProcesses().filter(({ environment, commandLine }) => `${environment} ${commandLine}`.includes(folder)),
    ).toEqual([])
    const left = join(folder, 'instances')
    expect(existsSync(left) ? readdirSync(left) : []).toEqual([])
  },
)
