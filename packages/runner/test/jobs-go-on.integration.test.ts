// Jobs outlive their manager: real managers, killed and started again under jobs on real machines, watched by a
// coordinator of its own.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { startLink } from '@runner-core/testkit/http/severable-link'
import { stopOwner } from '@runner-core/testkit/machine/stop-owner'
import type { BinRun } from '@runner-core/testkit/manager/bin'
import { fleetConfig, hostMachines, kill, localMachines, Managers } from '@runner-core/testkit/manager/managers'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs that outlive their manager on OpenSSH: ${missing}`)
const image = 'runner-core-sshd'
const dockerIsMissing = await dockerMissing(image)
if (dockerIsMissing !== undefined)
  console.warn(`SKIPPED: jobs that outlive their manager in containers: ${dockerIsMissing}`)
const secret = 'a-secret-of-these-jobs'
const runnerName = `kept-${process.pid}`

interface Machines extends AsyncDisposable {
  /** Of `[runners.autoscaler]`. */
  readonly autoscaler: string
  /** See `ofJobs`, where jobs run. Default: below `builds` of the folder. */
  readonly detached?: () => readonly string[]
  /** Machines that are there. Default: looked for among the processes of this computer. */
  readonly left?: () => readonly string[]
  /** Cuts all connections to the machines, and lets none be made for so long. */
  readonly cut?: (ms: number) => void
}

const machineKinds: readonly { readonly name: string; readonly start: (folder: string) => Promise<Machines> }[] = [
  {
    name: 'local',
    start: async (folder) => ({
      autoscaler: localMachines(folder),
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  ...(missing === undefined
    ? [
        {
          name: 'static, with OpenSSH,',
          start: async (folder: string) => {
            const sshd: Sshd = await startSshd()
            const link = await startLink(sshd.port)
            return {
              autoscaler: hostMachines(folder, sshd, link.port),
              cut: (ms: number) => link.cut(ms),
              async [Symbol.asyncDispose]() {
                await link.close()
                await sshd.stop()
              },
            }
          },
        },
      ]
    : []),
  ...(dockerIsMissing === undefined
    ? [
        {
          name: 'docker',
          start: async (folder: string) => {
            const docker = (...args: string[]): readonly string[] =>
              execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean)
            const left = (): readonly string[] =>
              docker('ps', '-aq', '--filter', `label=runner-core.fleet=${runnerName}`)
            return {
              autoscaler: `plugin = "docker"\nplugin_config = { image = "${image}" }`,
              detached: () => left().flatMap((id) => docker('exec', id, 'sh', '-c', ofJobs(join(folder, 'builds')))),
              left,
              async [Symbol.asyncDispose]() {
                for (const id of left()) docker('rm', '-f', id)
                // Who had the fleet: the next test's managers have a state of their own.
                const owners = docker('volume', 'ls', '-q', '--filter', `label=runner-core.owned-fleet=${runnerName}`)
                if (owners.length > 0) docker('volume', 'rm', ...owners)
              },
            }
          },
        },
      ]
    : []),
]

/** What a manager asks for that did not hear, when it was killed, what the coordinator had answered. */
const unheard = new Set(['range_mismatch', 'request_after_end'])

/**
 * Lists what jobs have on a machine: files of scripts, and the slots that are not free. What says that a slot is free
 * stays.
 */
function ofJobs(builds: string): string {
  return `cd ${join(builds, '.detached')} && for file in *; do [ -e $file ] || continue
case $file in slot.*) read -r holder <$file; [ "$holder" = - ] || echo "$file $holder" ;; *) echo $file ;; esac; done`
}

describe.each(machineKinds)('on machines of plugin $name', ({ start: startMachines }) => {
  let coordinator: Coordinator
  let managers: Managers
  let machines: Machines

  beforeEach(async () => {
    coordinator = await Coordinator.start()
    managers = new Managers('go-on')
    const { folder } = managers
    machines = await startMachines(folder)
    managers.configure(
      fleetConfig({
        name: runnerName,
        url: coordinator.url,
        token: Coordinator.token,
        top: `state_dir = "${join(folder, 'state')}"`,
        runner: `builds_dir = "${join(folder, 'builds')}"`,
        machines: machines.autoscaler,
        slots: 10,
      }),
    )
  })

  afterEach(async () => {
    await managers[Symbol.asyncDispose]()
    await machines[Symbol.asyncDispose]()
    await coordinator.close()
  })

  const counting = (
    count: number,
    settings: readonly { readonly key: string; readonly value: string }[] = [],
  ): CoordinatorJob =>
    coordinator.enqueue({
      script: [`i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo "line $i $SECRET"; sleep 0.2; done`],
      variables: [{ key: 'SECRET', value: secret, masked: true }, ...settings],
    })
  const lines = (job: CoordinatorJob): number[] =>
    [...job.trace.text().matchAll(/^(?:\S+Z 01O )?line (\d+) \[MASKED\]\r?$/gm)].map(([, number]) => Number(number))
  const detached = (): readonly string[] =>
    machines.detached?.() ??
    execFileSync('sh', ['-c', ofJobs(join(managers.folder, 'builds'))], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

  test('ten jobs, and their manager is killed twice: all succeed, each line once and in order, and nothing is left on the machines', async () => {
    const jobs = Array.from({ length: 10 }, () => counting(50))
    let run = managers.start()
    for (const line of ['line 3 ', 'line 30 ']) {
      await expect.poll(() => jobs.every((job) => job.trace.text().includes(line)), { timeout: 60_000 }).toBe(true)
      await kill(run)
      run = managers.start()
    }
    const ended = await Promise.all(jobs.map((job) => job.finished))
    expect(ended.map(({ state }) => state)).toEqual(jobs.map(() => 'success'))
    for (const job of jobs) expect(lines(job)).toEqual(upTo(50))
    // What the coordinator took in the manager's last moment, nobody could keep, be it the job's end: the next one asks
    // where it stands.
    expect(coordinator.violations.filter(({ rule }) => !unheard.has(rule))).toEqual([])
    await expect.poll(detached, { timeout: 10_000 }).toEqual([])
  })

  /** And the last manager made no more machines than `made`, and none is left once it has stopped. */
  async function expectAllDone(jobs: readonly CoordinatorJob[], count: number, last: BinRun, made = 0): Promise<void> {
    const ended = await Promise.all(jobs.map((job) => job.finished))
    expect(ended.map(({ state }) => state)).toEqual(jobs.map(() => 'success'))
    for (const job of jobs) expect(lines(job)).toEqual(upTo(count))
    expect(coordinator.violations.filter(({ rule }) => rule !== 'range_mismatch')).toEqual([])
    await expect.poll(detached, { timeout: 10_000 }).toEqual([])
    expect(last.stderr.match(/increasing instances/g) ?? []).toHaveLength(made)
    // Stopped before it has the fleet it would leave the machines to whoever comes next.
    await expect.poll(() => last.stderr, { timeout: 10_000 }).toContain('plugin initialized')
    last.process.kill('SIGQUIT')
    expect(await last.ended).toBe(0)
    const processes = listProcesses().filter(({ environment, commandLine }) =>
      `${environment} ${commandLine}`.includes(join(managers.folder, 'instances')),
    )
    expect(machines.left?.() ?? processes, last.stderr).toEqual([])
  }

  test('ten jobs, and their connections are cut for 20 s: all succeed, each line once and in order', async ({
    skip,
  }) => {
    const { cut } = machines
    if (cut === undefined) return skip('its connections cannot be cut from outside')
    const jobs = Array.from({ length: 10 }, () => counting(50))
    const run = managers.start()
    await expect.poll(() => jobs.every((job) => job.trace.text().includes('line 10 ')), { timeout: 60_000 }).toBe(true)
    cut(20_000)
    await expectAllDone(jobs, 50, run, 1)
    expect(run.stderr.match(/a job continues after its connection was lost/g)).toHaveLength(10)
  })

  test('ten jobs, and a new process takes the work over from the one that has it, twice: all succeed, each line once and in order; the old ones end in order', async () => {
    // The times of lines are those that the first one saw, or the checksum would tell.
    const jobs = Array.from({ length: 10 }, (_, index) =>
      counting(40, index % 2 ? [{ key: 'FF_TIMESTAMPS', value: 'true' }] : []),
    )
    let run = managers.start()
    for (const line of ['line 8 ', 'line 20 ']) {
      await expect.poll(() => jobs.every((job) => job.trace.text().includes(line)), { timeout: 60_000 }).toBe(true)
      const next = managers.start('--takeover')
      expect(await run.ended).toBe(0)
      expect(run.stderr.match(/runner ends: its fleets and jobs were handed over to another process/g)).toHaveLength(1)
      expect(run.stderr.replaceAll(/.* WARN {2}waiting: .*/g, '')).not.toMatch(/ (WARN|ERROR) |decreasing instances/)
      run = next
    }
    await expectAllDone(jobs, 40, run)
    for (const job of jobs.filter((_, index) => index % 2)) {
      const stamped = job.trace.text().trimEnd().split('\n')
      for (const line of stamped) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 0[01]O /)
      expect(new Set(stamped.map((line) => line.slice(0, 19))).size).toBeGreaterThan(5)
    }
  })

  test('ten jobs, and a new process takes the work over from one that is stopped: all succeed, each line once and in order; the old one ends when it wakes', async () => {
    const jobs = Array.from({ length: 10 }, () => counting(60))
    const old = managers.start()
    await expect.poll(() => jobs.every((job) => job.trace.text().includes('line 8 ')), { timeout: 60_000 }).toBe(true)
    await stopOwner(old.process, join(managers.folder, 'state', runnerName), 'between writes')
    const next = managers.start('--takeover')
    await expect
      .poll(() => next.stderr.match(/job of an earlier process goes on/g)?.length, { timeout: 30_000 })
      .toBe(10)
    old.process.kill('SIGCONT')
    expect(await old.ended).toBe(1)
    await expectAllDone(jobs, 60, next)
    expect(old.stderr).toContain('runner ends: it has lost its fleets')
  })

  test('forty short jobs come and end while the work is taken over five times: all succeed, each line once and in order', async () => {
    const jobs = Array.from({ length: 40 }, () => counting(4))
    let run = managers.start()
    for (const done of [3, 9, 15, 21, 27]) {
      await expect
        .poll(() => jobs.filter(({ hasEnded }) => hasEnded).length, { timeout: 60_000, interval: 10 })
        .toBeGreaterThan(done)
      await expect.poll(() => run.stderr, { timeout: 10_000 }).toContain('plugin initialized')
      const next = managers.start('--takeover')
      expect(await run.ended, run.stderr).toBe(0)
      run = next
    }
    await expectAllDone(jobs, 4, run)
  })
})

/** A way to a port of this computer that can be cut. */
