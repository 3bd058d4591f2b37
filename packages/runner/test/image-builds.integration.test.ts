// Jobs that build images, as the guide shows them: with the configurations of the examples, but for the cloud.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoordinatorJob } from '@runner-core/runner/testing'
import { clientImage, daemonImage, makeBuildImages } from '@runner-core/testkit/containers/build-images'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { ownEngineMissing, startOwnEngine } from '@runner-core/testkit/containers/own-engine'
import type { BinRun } from '@runner-core/testkit/manager/bin'
import { expect, test, vi } from 'vitest'
import { DockerRig, docker, type RigNames } from './docker-jobs-rig.ts'

const root = join(import.meta.dirname, '../../..')
const missing = hasEngine ? undefined : 'no Docker Engine answers'
const missingOwn = missing ?? ownEngineMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs that build images: ${missing}`)
else if (missingOwn !== undefined) console.warn(`SKIPPED: Docker-in-Docker: ${missingOwn}`)

/** An example with what only its reader can know. */
function example(file: string, { name, url, token, folder }: RigNames, more: string): string {
  const replacements: readonly (readonly [RegExp, string])[] = [
    [/^name = ".*"$/m, `name = "${name}"`],
    [/https:\/\/gitlab\.example\.com/, url],
    [/glrt-REPLACE-ME/, token],
    [/^image = "docker:29-cli"$/m, `image = "${clientImage}"\npull_policy = "never"\n${more}`],
    // Of an instance of the cloud, which goes with its job: this one is the test's own machine.
    [/^trust = "none" .*$/m, ''],
    [/^plugin = .*\nplugin_config = .*$/m, `plugin = "local"\nplugin_config = { root_dir = "${folder}/instances" }`],
  ]
  const text = readFileSync(join(root, 'examples/runner', file), 'utf8')
  return replacements.reduce((config, [what, by]) => {
    expect(config, file).toMatch(what)
    return config.replace(what, by)
  }, text)
}

/** Variables of the guide's job that uses Docker-in-Docker. */
function guideVariables(): { key: string; value: string }[] {
  const guide = readFileSync(join(root, 'docs/guides/docker.md'), 'utf8')
  const [, block = ''] = /services: \[docker:29-dind\]\n {2}variables:\n((?: {4}.*\n)+)/.exec(guide) ?? []
  return [...block.matchAll(/^ {4}(\w+): "?(.*?)"?$/gm)].map(([, key = '', value = '']) => ({ key, value }))
}

async function untilEnded(job: CoordinatorJob, manager: BinRun): Promise<void> {
  const late = sleep(60_000).then(() => `the job did not end:\n${job.trace.text()}`)
  const why = await Promise.race([job.finished.then(() => undefined), manager.ended.then(String), late])
  if (why !== undefined) throw new Error(`${why}\n${manager.stderr}`)
}

const build = [
  'cd "$(mktemp -d)" && cp "$(command -v busybox)" busybox',
  String.raw`printf 'FROM scratch\nCOPY busybox /\nENTRYPOINT ["/busybox"]\n' >Dockerfile`,
  'docker build -t "$CI_REGISTRY_IMAGE" .',
  'docker run --rm "$CI_REGISTRY_IMAGE" echo from\\ what\\ was\\ built',
]

test.skipIf(missingOwn !== undefined)(
  'jobs build and run images with Docker-in-Docker, a privileged service with TLS, and nothing of it is left',
  { timeout: 240_000 },
  async ({ onTestFinished }) => {
    await makeBuildImages()
    await using cleanUp = new AsyncDisposableStack()
    const engine = cleanUp.use(await startOwnEngine([clientImage, daemonImage]))
    vi.stubEnv('DOCKER_HOST', engine.host)
    onTestFinished(() => void vi.unstubAllEnvs())
    const config = (names: RigNames): string => example('docker-in-docker.toml', names, `host = "${engine.host}"`)
    const rig = cleanUp.use(await DockerRig.startWith(config))
    const manager = rig.managers.start()
    const variables = [...guideVariables(), { key: 'CI_REGISTRY_IMAGE', value: 'project' }]
    expect(variables[0]).toEqual({ key: 'DOCKER_HOST', value: 'tcp://docker:2376' })
    // The second one finds the certificates of the first, of an authority that is no more, in the volume.
    for (const name of ['first', 'second']) {
      const script = [
        ...build,
        'docker ps -aq | wc -l',
        'if DOCKER_TLS_VERIFY= DOCKER_CERT_PATH= docker ps; then echo open\\ to\\ all; fi',
        'if [ -e /dev/kmsg ]; then echo privileged\\ itself; fi',
      ]
      const override = { services: [{ name: daemonImage }] }
      const job = rig.enqueue({ name, script, variables, timeoutSeconds: 90 }, clientImage, override)
      await untilEnded(job, manager)
      const trace = job.trace.text()
      expect(job.state, trace).toBe('success')
      expect(trace).toMatch(/^from what was built\r?\n(?:.*\n)*?0\r?$/m)
      expect(trace).not.toMatch(/^(?:open to all|privileged itself|WARNING.*)\r?$/m)
    }
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
    // `/var/lib/docker` of a service is an anonymous volume, which has no label.
    expect(docker('volume', 'ls', '-q').filter((name) => !rig.lastingVolumes().includes(name))).toEqual([])
    expect(docker('ps', '-aq')).toEqual([])
  },
)

test.skipIf(missing !== undefined)(
  'containers that a job starts through the mounted socket are kept, also by the next manager',
  { timeout: 120_000 },
  async () => {
    makeBusyboxImage()
    await makeBuildImages()
    await using cleanUp = new AsyncDisposableStack()
    const rig = cleanUp.use(await DockerRig.startWith((names) => example('docker-socket.toml', names, '')))
    const left = `${rig.name}-left`
    cleanUp.defer(() => void docker('rm', '-f', left))
    const image = `${rig.name}:built`
    cleanUp.defer(() => void docker('image', 'rm', '-f', image))
    const manager = rig.managers.start()
    const variables = [{ key: 'CI_REGISTRY_IMAGE', value: image }]
    const script = [...build, `docker run -d --name ${left} ${busyboxImage} sleep 600`, 'echo "I am $(hostname)"']
    const job = rig.enqueue({ script, variables }, clientImage)
    await untilEnded(job, manager)
    const trace = job.trace.text()
    expect(job.state, trace).toBe('success')
    expect(trace).toMatch(/^from what was built\r?$/m)
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
    expect(docker('ps', '--filter', `name=${left}`, '--format', '{{.Names}}')).toEqual([left])

    manager.process.kill('SIGQUIT')
    expect(await manager.ended, manager.stderr).toBe(0)
    const second = rig.managers.start()
    const next = rig.enqueue({ script: ['docker ps --format "running: {{.Names}}"'] }, clientImage)
    await untilEnded(next, second)
    expect(next.trace.text()).toContain(`running: ${left}`)
    await expect.poll(() => rig.left(), { timeout: 20_000 }).toEqual([])
    expect(docker('ps', '--filter', `name=${left}`, '--format', '{{.Names}}')).toEqual([left])
  },
)
