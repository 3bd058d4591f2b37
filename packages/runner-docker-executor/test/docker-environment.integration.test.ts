import { randomBytes } from 'node:crypto'
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { type JobOutcome, type JobPayload, type RunJobOptions, runJob } from '@runner-core/job'
import { hasEngine } from '@runner-core/testkit/containers/busybox-image'
import { helperImage, makeHelperImage } from '@runner-core/testkit/containers/helper-image'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, runner, variable } from '@runner-core/testkit/jobs/job-fixture'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { attemptLabel, attemptLabels } from '../src/cleanup/labels.ts'
import { removeAttempt } from '../src/cleanup/remove-attempt.ts'
import { jobContainerName } from '../src/containers/container-names.ts'
import { findShell } from '../src/containers/find-shell.ts'
import { DockerEnvironment } from '../src/docker-environment.ts'
import { LocalEngine } from './local-engine.ts'
import { docker } from './service-image.ts'

const never = new AbortController().signal
const local = new LocalEngine()
const acquisition = local.acquisition()
const link = local.link(acquisition)

describe.skipIf(!hasEngine || !hasGit)('a job in containers', () => {
  let repository: TestRepository
  const attempts = new Set<string>()
  beforeAll(async () => {
    await makeHelperImage()
    repository = new TestRepository()
    return () => repository[Symbol.dispose]()
  }, 120_000)
  afterEach(async () => {
    const engine = await link.engine(never)
    for (const attempt of attempts) {
      await removeAttempt(engine, attempt, { clock: systemClock, signal: never })
      await engine.docker.getVolume(`test-builds-${attempt}`).remove({ force: true })
    }
    attempts.clear()
  })

  async function environment(user?: string, attempt = randomBytes(6).toString('hex')): Promise<DockerEnvironment> {
    const engine = await link.engine(never)
    attempts.add(attempt)
    const labels = attemptLabels({ fleet: 'test', attempt, job: 1, project: 7, expiresAt: 0 })
    const options = {
      Image: helperImage,
      // Its own starts sshd.
      Entrypoint: [''],
      Labels: labels,
      HostConfig: {
        Binds: [`test-builds-${attempt}:/builds`, `${repository.root}:${repository.root}:ro`],
        NetworkMode: 'none',
        LogConfig: { Type: 'json-file', Config: {} },
      },
    }
    const name = jobContainerName(attempt)
    await engine.docker.createContainer({
      ...options,
      name,
      Cmd: ['bash'],
      OpenStdin: true,
      StdinOnce: true,
      ...(user !== undefined && { User: user }),
    })
    const shell = await findShell(engine, name, never)
    return new DockerEnvironment({
      acquisition,
      link,
      attempt,
      description: 'an image on this machine',
      shell: shell!,
      buildsDir: '/builds',
      concurrentId: 0,
      sharesBuilds: false,
      helper: { shell: 'sh', prepares: user === undefined ? 'sources' : 'everything', opensFiles: user !== undefined },
      helperContainer: { ...options, User: '0' },
      killGraceMs: 2000,
      reconnectGraceMs: 10_000,
      askIntervalMs: 15_000,
      clock: systemClock,
      logger: silentLogger,
    })
  }

  async function run(
    place: DockerEnvironment,
    job: JobPayload,
    options: Partial<RunJobOptions> & { readonly onOutput?: (trace: string) => void } = {},
  ): Promise<{ readonly outcome: JobOutcome; readonly trace: string }> {
    let trace = ''
    const { onOutput, ...rest } = options
    const outcome = await runJob({
      payload: job,
      prepare: async () => place,
      trace: {
        write(chunk) {
          trace += chunk.toString()
          onOutput?.(trace)
        },
      },
      clock: systemClock,
      canceling: never,
      abort: never,
      runner,
      caches: { directory: '/builds/cache' },
      ...rest,
    })
    return { outcome, trace: trace.replaceAll(/\x1b\[[0-9;]*[mK]/g, '') }
  }

  test('runs its script and its after_script in one container, and no helper', async () => {
    const place = await environment()
    const job = payload({ script: ['echo one >/tmp/x', 'pwd', 'exit 3'], afterScript: ['cat /tmp/x'] })
    const { outcome, trace } = await run(place, job)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 3 })
    expect(trace).toContain('\n/builds/group/project\n')
    expect(trace).toContain('cat /tmp/x\none\n')
    const engine = await link.engine(never)
    expect(
      await engine.docker.listContainers({
        all: true,
        filters: { label: [`${attemptLabel}=${place.jobMarker.value}`] },
      }),
    ).toHaveLength(1)
    expect(place.isUnclean).toBe(false)
  })

  test('has its sources from a helper, and a cache that the next job finds', async () => {
    const sha = repository.commit('file', 'text')
    const cache = [{ key: 'k', paths: ['kept'], policy: '', when: '', fallback_keys: [], untracked: false }]
    const place = await environment()
    const script = ['cat file', 'echo cached >kept']
    const first = await run(place, gitJob(repository.url, sha, { script, overrides: { cache } }))
    expect(first.outcome).toEqual({ state: 'success' })
    expect(first.trace).toContain('\ntext')
    await removeAttempt(await link.engine(never), place.jobMarker.value, { clock: systemClock, signal: never })
    const again = await environment(undefined, place.jobMarker.value)
    const second = await run(
      again,
      gitJob(repository.url, sha, { script: ['rm -f x; cat kept'], overrides: { cache } }),
    )
    expect(second.outcome).toEqual({ state: 'success' })
    expect(second.trace).toContain('\ncached\n')
  })

  test('of another user than the helper writes in its work tree, and reads its variables', async () => {
    const sha = repository.commit('other', 'text')
    const place = await environment('1000')
    const variables = [variable('SECRET', 'content', { file: true })]
    const script = ['id -u', 'cat "$SECRET"', 'echo new >file', 'mkdir d && echo >d/e']
    const { outcome, trace } = await run(place, gitJob(repository.url, sha, { script, variables }))
    expect(trace).toContain('id -u\n1000\n')
    expect(outcome).toEqual({ state: 'success' })
    await removeAttempt(await link.engine(never), place.jobMarker.value, { clock: systemClock, signal: never })
    const again = await environment('1000', place.jobMarker.value)
    const second = await run(again, gitJob(repository.url, sha, { script: ['cat file; ls'], variables }))
    expect(second.trace).toContain('Removing d/')
    expect(second.trace).toContain('\ntext')
  })

  test('that is canceled is asked to end, and its after_script runs', async () => {
    const place = await environment()
    const canceling = new AbortController()
    const job = payload({ script: ['trap "echo asked" TERM', 'sleep 60 & wait'], afterScript: ['echo after'] })
    const { outcome, trace } = await run(place, job, {
      canceling: canceling.signal,
      onOutput: (text) => {
        if (text.includes('sleep 60')) canceling.abort()
      },
    })
    expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
    expect(trace).toContain('\nasked\n')
    expect(trace).toContain('echo after\nafter\n')
  })

  test('whose helper is removed under a transfer of files fails by that, and the next transfer has a new one', async () => {
    const place = await environment()
    const attempt = place.jobMarker.value
    const transfer = (command: string, stdout = (_chunk: Buffer): void => {}): ReturnType<typeof place.transfer> =>
      place.transfer({ command, stdout, stderr: () => {}, signal: never })
    const removeHelper = (): void => {
      docker('rm', '-f', docker('ps', '-q', '--filter', `label=${attemptLabel}=${attempt}`))
    }
    await expect(transfer('echo begun; sleep 60', removeHelper)).rejects.toMatchObject({
      code: 'failed',
      message: 'an image on this machine: its helper was removed under a transfer of files',
    })
    await expect(transfer('exit 3')).resolves.toEqual({ exitCode: 3 })
    await place.killAll()
  })
})
