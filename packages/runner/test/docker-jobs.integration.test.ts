// Dozens of mixed jobs in containers: a real manager, a real Engine, and a coordinator of its own.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { CoordinatorJob } from '@runner-core/runner/testing'
import { engineGateway } from '@runner-core/testkit/containers/engine-gateway'
import { isPodman } from '@runner-core/testkit/containers/engine-kind'
import { hasGit, hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { expect, test } from 'vitest'
import { type ContainerCase, containerCases } from './docker-job-cases.ts'
import { DockerRig, hasEngine, makeShellessImage, secret } from './docker-jobs-rig.ts'

const missing = !hasEngine
  ? 'no Docker Engine answers'
  : !hasGit || !hasHttpBackend
    ? 'git is not installed'
    : undefined
if (missing !== undefined) console.warn(`SKIPPED: mixed jobs in containers: ${missing}`)

const login = 'login-of-the-repository'

/** Lets containers reach a port of this computer's loopback interface; returns where. */
async function forContainers(host: string, cleanUp: AsyncDisposableStack): Promise<string> {
  const gateway = engineGateway()
  const [, port] = host.split(':')
  const server = createServer((client) => {
    const target = connect(Number(port), '127.0.0.1')
    client.pipe(target).pipe(client)
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const)
      socket.on('error', () => {}).on('close', () => other.destroy())
  })
  // Podman's own network is there only while a container uses it.
  server.listen(0, isPodman ? undefined : gateway)
  await once(server, 'listening')
  cleanUp.defer(() => void server.close())
  return `${gateway}:${(server.address() as AddressInfo).port}`
}

function check({ name, expected, has = [], lacks = [] }: ContainerCase, job: CoordinatorJob): void {
  const trace = job.trace.text()
  const { state, exitCode } = job
  // A canceled job ends with a reason, too; which one is the runner's choice.
  const failureReason = state === 'canceled' ? undefined : job.failureReason
  expect({ state, failureReason, exitCode }, `${name}\n${trace}`).toEqual({
    failureReason: undefined,
    exitCode: undefined,
    ...expected,
  })
  const lines = trace.split('\n').map((line) => line.replace(/\r$/, ''))
  for (const line of has) expect(lines, name).toContain(line)
  for (const text of [secret, login, job.assignment!.jobToken, ...lacks]) expect(trace, name).not.toContain(text)
}

test.skipIf(missing !== undefined).for(['docker-autoscaler', 'docker'] as const)(
  'sixty mixed jobs of executor %s end as they must, and nothing is left but caches',
  { timeout: 400_000 },
  async (executor) => {
    await using cleanUp = new AsyncDisposableStack()
    using repository = new TestRepository()
    const sha = repository.commit('file', 'text of the file\n')
    const server = await serveGit(repository, login)
    cleanUp.defer(() => server.close())
    const http = await forContainers(server.host, cleanUp)
    makeShellessImage()
    const { root } = repository
    const settings = `volumes = ["${root}:${root}:ro"]`
    const rig = cleanUp.use(await DockerRig.start({ executor, keepsState: false, slots: 8, settings }))
    const urls = [repository.url, `http://gitlab-ci-token:${login}@${http}/project.git`] as const
    const run = containerCases({ urls, sha }).map((each) => {
      const { image, ...override } = each.override ?? {}
      return { each, job: rig.enqueue({ ...each.spec, name: each.name }, each.image, override, image as object) }
    })
    expect(run).toHaveLength(60)
    const manager = rig.managers.start()
    const early = manager.ended.then((code) => Promise.reject(new Error(`it ended with ${code}:\n${manager.stderr}`)))
    early.catch(() => {})
    const cancelling = setInterval(() => {
      for (const { each, job } of run)
        if (job.state === 'running' && job.times.firstOutputAt !== undefined && each.cancel !== undefined)
          job.cancel(each.cancel)
    }, 50)
    cleanUp.defer(() => clearInterval(cancelling))
    await Promise.race([Promise.all(run.map(({ job }) => job.finished)), early])

    for (const { each, job } of run) expect.soft(() => check(each, job)).not.toThrow()
    for (const { each, job } of run)
      if (each.spec.artifacts !== undefined)
        expect(
          job.uploads.map(({ type }) => type),
          each.name,
        ).toEqual(['archive'])
    expect(rig.coordinator.violations).toEqual([])
    // Without an end of the manager, which would remove it, too.
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
    expect(
      rig.lastingVolumes().filter((name) => !/-concurrent-[0-7]-[0-9a-f]+-cache-[0-9a-f]+(?:-open)?$/.test(name)),
    ).toEqual([])
    manager.process.kill('SIGQUIT')
    expect(await manager.ended, manager.stderr).toBe(0)
    for (const text of [secret, login]) expect(manager.stderr + manager.stdout).not.toContain(text)
  },
)
