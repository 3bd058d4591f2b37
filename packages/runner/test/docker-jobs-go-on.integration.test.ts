// Jobs in containers outlive their manager: real managers, killed and started again under jobs on a real Engine.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { CoordinatorJob } from '@runner-core/runner/testing'
import { TestRepository } from '@runner-core/testkit/jobs/git-server'
import { kill } from '@runner-core/testkit/manager/managers'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  busyboxImage,
  counter,
  DockerRig,
  docker,
  hasEngine,
  helperImage,
  lines,
  type RigOptions,
  startWay,
  upTo,
} from './docker-jobs-rig.ts'

if (!hasEngine) console.warn('SKIPPED: jobs in containers that outlive their manager: no Docker Engine answers')

/** What a manager asks for that did not hear, when it was killed, what the coordinator had answered. */
const unheard = new Set(['range_mismatch', 'request_after_end'])

async function start(options: Partial<RigOptions> = {}): Promise<DockerRig> {
  const rig = await DockerRig.start({ executor: 'docker', keepsState: true, ...options })
  onTestFinished(() => rig[Symbol.asyncDispose]())
  return rig
}

async function untilAll(jobs: readonly CoordinatorJob[], text: string): Promise<void> {
  await expect
    .poll(() => jobs.filter((job) => !job.trace.text().includes(text)).map((job) => job.trace.text()), {
      timeout: 90_000,
    })
    .toEqual([])
}

async function expectSuccess(rig: DockerRig, jobs: readonly CoordinatorJob[]): Promise<void> {
  const ended = await Promise.all(jobs.map((job) => job.finished))
  for (const { state, failureReason, trace } of ended)
    expect({ state, failureReason }, trace.text()).toEqual({ state: 'success' })
  expect(rig.coordinator.violations.filter(({ rule }) => !unheard.has(rule))).toEqual([])
  await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
}

const service = {
  name: busyboxImage,
  alias: 'web',
  command: ['sh', '-c', 'echo served >/index.html; httpd -f -p 80 -h /'],
}

describe.skipIf(!hasEngine)('with a state folder', { timeout: 180_000 }, () => {
  test.for(['docker', 'docker-autoscaler'] as const)(
    'ten jobs of executor %s, and their manager is killed: all come home, each line once and in order',
    async (executor) => {
      const rig = await start({ executor, slots: 12 })
      const jobs = upTo(10).map((number) => rig.counting(60, {}, number % 2 ? helperImage : undefined))
      const first = rig.managers.start()
      await untilAll(jobs, '\nline 4\n')
      await kill(first)
      const second = rig.managers.start()
      await expectSuccess(rig, jobs)
      for (const job of jobs) expect(lines(job)).toEqual(upTo(60))
      expect(second.stderr.match(/job of an earlier process goes on/g)).toHaveLength(10)
    },
  )

  test('jobs in their after_script, in a helper that gets sources and beside a service outlive the manager, too', async () => {
    using repository = new TestRepository()
    const rig = await start({ settings: `volumes = ["${repository.root}:${repository.root}:ro"]` })
    const sha = repository.commit('file', 'text of the file')
    const hooks = [{ name: 'pre_get_sources_script', script: [counter(60)] }]
    const jobs = {
      after: rig.enqueue({ script: ['echo script'], afterScript: [counter(60), 'echo "status: $CI_JOB_STATUS"'] }),
      afterFailure: rig.enqueue(
        { script: ['echo script; exit 3'], afterScript: [counter(60), 'echo "status: $CI_JOB_STATUS"'] },
        helperImage,
      ),
      sources: rig.enqueue(
        { script: ['echo "has: $(cat file)"'], git: { repoUrl: repository.url, ref: 'main', sha } },
        undefined,
        { hooks },
      ),
      service: rig.counting(60, { script: ['echo "got: $(wget -qO- http://web/)"'] }, undefined, {
        services: [service],
      }),
    }
    const first = rig.managers.start()
    await untilAll(Object.values(jobs), '\nline 4\n')
    await kill(first)
    rig.managers.start()
    await Promise.all(Object.values(jobs).map((job) => job.finished))
    const told = Object.entries(jobs).map(([name, { state, failureReason, exitCode, trace }]) => [
      name,
      { state, failureReason, exitCode, last: trace.text().match(/^(?:script$|(?:status|has|got): .*$)/gm) },
    ])
    expect(
      Object.fromEntries(told),
      Object.values(jobs)
        .map(({ trace }) => trace.text())
        .join('\n'),
    ).toEqual({
      after: { state: 'success', last: ['script', 'status: success'] },
      afterFailure: {
        state: 'failed',
        failureReason: 'script_failure',
        exitCode: 3,
        last: ['script', 'status: failed'],
      },
      sources: { state: 'success', last: ['has: text of the file'] },
      service: { state: 'success', last: ['got: served'] },
    })
    for (const job of Object.values(jobs)) expect(lines(job)).toEqual(upTo(60))
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
  })

  test('jobs that end while there is no manager are reported by the next one with all their output', async () => {
    const rig = await start()
    const jobs = [
      rig.counting(30),
      rig.counting(30, { script: ['exit 7'] }, helperImage),
      rig.counting(30, { afterScript: ['echo after'] }),
    ]
    const first = rig.managers.start()
    await untilAll(jobs, '\nline 4\n')
    await kill(first)
    await expect.poll(() => rig.containers('--filter', 'status=running'), { timeout: 60_000 }).toEqual([])
    expect(rig.containers()).toHaveLength(3)
    rig.managers.start()
    await Promise.all(jobs.map((job) => job.finished))
    expect(jobs.map(({ state, exitCode }) => ({ state, exitCode }))).toEqual([
      { state: 'success' },
      { state: 'failed', exitCode: 7 },
      { state: 'success' },
    ])
    for (const job of jobs) expect(lines(job)).toEqual(upTo(30))
    expect(jobs[2]!.trace.text()).toContain('\nafter\n')
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
  })

  test('jobs that begin and end while their manager is killed six times all come home, each line once and in order', async () => {
    const rig = await start({ ackWindowMs: 2000, slots: 6 })
    const jobs = upTo(18).map((number) =>
      rig.counting(
        8,
        { afterScript: ['echo "after: $CI_JOB_STATUS"'] },
        number % 2 ? helperImage : undefined,
        number % 5 ? {} : { services: [service] },
      ),
    )
    let run = rig.managers.start()
    // Each time as many jobs have ended, so that others begin, run and end.
    for (const done of [1, 4, 7, 10, 13, 15]) {
      await expect
        .poll(() => jobs.filter(({ hasEnded }) => hasEnded).length, { timeout: 60_000, interval: 10 })
        .toBeGreaterThanOrEqual(done)
      await kill(run)
      run = rig.managers.start()
    }
    await Promise.all(jobs.map((job) => job.finished))
    await expectSuccess(rig, jobs)
    for (const job of jobs) {
      const trace = job.trace.text()
      expect(lines(job), trace).toEqual(upTo(8))
      expect(trace.match(/^after: .*$/gm), trace).toEqual(['after: success'])
    }
  })

  test.for(['docker', 'docker-autoscaler'] as const)(
    'what jobs of executor %s left that have ended is removed when the next manager starts, without a job, and nothing else',
    async (executor) => {
      const rig = await start({ executor, slots: 2 })
      const job = rig.counting(60)
      const first = rig.managers.start()
      await untilAll([job], '\nline 4\n')
      await kill(first)
      const running = rig.containers()
      const [fleet] = docker('inspect', '-f', '{{index .Config.Labels "dev.runner-core.fleet"}}', running[0]!)
      const make = (attempt: string, of: string): string => {
        const name = `runner-core-${attempt}-job`
        const labels = [`fleet=${of}`, `attempt=${attempt}`].flatMap((each) => ['--label', `dev.runner-core.${each}`])
        docker('run', '-d', '--name', name, ...labels, busyboxImage, 'sleep', '600')
        onTestFinished(() => {
          if (docker('ps', '-aq', '--filter', `name=^${name}$`).length > 0) docker('rm', '-f', name)
        })
        return name
      }
      const left = make(`0${process.pid}`, fleet!)
      const others = [
        make(`1${process.pid}`, fleet!.replace(/[^/]+$/, 's_other')),
        make(`2${process.pid}`, 'other/a/b'),
      ]
      const second = rig.managers.start()
      await expect.poll(() => rig.containers(), { timeout: 20_000 }).not.toContain(left)
      expect(rig.containers()).toEqual(expect.arrayContaining([...running, others[0]]))
      expect(docker('inspect', '-f', '{{.State.Running}}', ...others)).toEqual(['true', 'true'])
      await job.finished
      expect(job.state, job.trace.text()).toBe('success')
      expect(lines(job)).toEqual(upTo(60))
      expect(second.stderr).toContain('removed what earlier jobs left on an Engine')
    },
  )

  test('a job whose container was removed while there is no manager fails, and says why', async () => {
    const rig = await start()
    const [gone, kept] = [rig.counting(60), rig.counting(60)]
    const first = rig.managers.start()
    await untilAll([gone, kept], '\nline 4\n')
    await kill(first)
    docker('rm', '-f', ...docker('ps', '-q', '--filter', `label=dev.runner-core.job=${gone.id}`))
    rig.managers.start()
    await Promise.all([gone.finished, kept.finished])
    expect(
      [gone, kept].map(({ state, failureReason }) => ({ state, failureReason })),
      gone.trace.text(),
    ).toEqual([{ state: 'failed', failureReason: 'runner_system_failure' }, { state: 'success' }])
    expect(gone.trace.text()).toContain('No such container')
    expect(lines(kept)).toEqual(upTo(60))
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
  })

  test('an Engine out of reach for 20 s costs ten jobs nothing', async () => {
    const folder = mkdtempSync('/tmp/runner-core-cut-')
    onTestFinished(() => rmSync(folder, { recursive: true }))
    await using way = await startWay(join(folder, 'engine.sock'))
    const rig = await start({ engine: way.path })
    const jobs = [
      ...upTo(8).map((number) => rig.counting(200, {}, number % 2 ? helperImage : undefined)),
      rig.enqueue({ script: ['true'], afterScript: [counter(200)] }),
      rig.counting(200, { script: ['exit 3'] }),
    ]
    rig.managers.start()
    await untilAll(jobs, '\nline 4\n')
    way.cut(20_000)
    const states = await Promise.all(jobs.map(async (job) => (await job.finished).state))
    expect(states).toEqual([...upTo(9).map(() => 'success'), 'failed'])
    expect(jobs[9]!.exitCode).toBe(3)
    for (const job of jobs) expect(lines(job)).toEqual(upTo(200))
    expect(rig.coordinator.violations).toEqual([])
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
  })
})

describe.skipIf(!hasEngine)('without a state folder', { timeout: 180_000 }, () => {
  test.for(['docker', 'docker-autoscaler'] as const)(
    'what a killed manager of executor %s left is removed beside the first job of the next one, and nothing else',
    async (executor) => {
      const rig = await start({ executor, keepsState: false })
      const jobs = [
        rig.counting(1000, {}, undefined, { services: [service] }),
        rig.counting(1000, { variables: [{ key: 'GIT_STRATEGY', value: 'empty' }] }, helperImage),
      ]
      const foreign = docker('run', '-d', '--label', 'dev.runner-core.attempt=0', busyboxImage, 'sleep', '600')[0]!
      onTestFinished(() => void docker('rm', '-f', foreign))
      const other = await start({ executor, keepsState: false })
      const othersJob = other.counting(1000)
      other.managers.start()
      const first = rig.managers.start()
      await untilAll([...jobs, othersJob], '\nline 4\n')
      expect(rig.left().length).toBeGreaterThan(4)
      await kill(first)
      const made = rig.left()
      rig.managers.start()
      const next = rig.counting(50)
      await untilAll([next], '\nline 1\n')
      await expect.poll(() => rig.left().filter((name) => made.includes(name)), { timeout: 20_000 }).toEqual([])
      await next.finished
      expect(next.state, next.trace.text()).toBe('success')
      expect(docker('inspect', '-f', '{{.State.Running}}', foreign)).toEqual(['true'])
      expect(othersJob.state).toBe('running')
      await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
    },
  )
})
