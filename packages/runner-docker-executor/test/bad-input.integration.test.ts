// What jobs, images, registries and Engines do that they should not: each with a clear end, and nothing left.
import { execFileSync } from 'node:child_process'
import { basename, dirname } from 'node:path'
import type { JobPayload } from '@runner-core/job'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { isPodman } from '@runner-core/testkit/containers/engine-kind'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { helperImage, makeHelperImage } from '@runner-core/testkit/containers/helper-image'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { DockerRegistry, registryMissing } from '@runner-core/testkit/registry/docker-registry'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { imageOf, JobRig, type JobRigOptions, serviceOf } from './job-rig.ts'
import { docker, makeImage } from './service-image.ts'

let rig: JobRig | undefined
const images: string[] = []
afterEach(async () => {
  await rig?.[Symbol.asyncDispose]()
  rig = undefined
  for (const image of images.splice(0)) docker('rmi', '-f', image)
})

async function start(options: JobRigOptions = {}): Promise<JobRig> {
  rig = await JobRig.start(options)
  return rig
}

function image(name: string, ...changes: readonly string[]): string {
  makeImage(name, ...changes)
  images.push(name)
  return name
}

const job = (overrides: Partial<JobPayload>, script: readonly string[] = ['echo "ran"']): JobPayload =>
  payload({ script, overrides })

async function expectNothingLeft(of: JobRig): Promise<void> {
  await expect(of.left()).resolves.toEqual([])
  expect(of.lentSlots).toBe(0)
}

describe.skipIf(!hasEngine)('an image that', () => {
  beforeAll(async () => {
    makeBusyboxImage()
    await makeHelperImage()
  })

  test('does not exist, fails the job by its name', async () => {
    const given = await start()
    const { outcome, trace } = await given.run(job({ image: imageOf('runner-core-nosuch:1') }))
    expect(outcome).toMatchObject({ state: 'failed', code: 'image_unavailable', reason: 'image_pull_failure' })
    expect(trace).toContain('no such image: runner-core-nosuch:1')
    await expectNothingLeft(given)
  })

  test('is for another platform, fails the job by both', async () => {
    const given = await start()
    const { outcome, trace } = await given.run(job({ image: imageOf(busyboxImage, { platform: 'linux/s390x' }) }))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'image_pull_failure' })
    expect(trace).toContain('not for linux/s390x')
    await expectNothingLeft(given)
  })

  test('has no shell, fails the job with that', async () => {
    const bare = 'runner-core-shell-less:1'
    const emptyArchive = Buffer.alloc(10_240)
    execFileSync('docker', ['import', '-', bare], { input: emptyArchive })
    images.push(bare)
    const given = await start()
    const { outcome, trace } = await given.run(job({ image: imageOf(bare, { entrypoint: ['/none'] }) }))
    expect(outcome).toMatchObject({ state: 'failed', code: 'shell_missing', reason: 'runner_system_failure' })
    expect(trace).toContain(`the image ${bare} has no shell`)
    await expectNothingLeft(given)
  })

  test.each([0, 3])('has an entrypoint that exits with %i, fails the job, whose script has not run', async (code) => {
    const given = await start()
    const entrypoint = ['sh', '-c', `exit ${code}`]
    const { outcome, trace } = await given.run(job({ image: imageOf(busyboxImage, { entrypoint }) }))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toContain(`ended with exit code ${code}`)
    expect(trace).not.toContain('\nran\n')
    await expectNothingLeft(given)
  })

  test('has an entrypoint that reads variables, finds those of the job that are no secrets', async () => {
    const given = await start()
    const entrypoint = ['sh', '-c', 'echo "entered with $SHOWN, $SECRET."; exec "$@"', 'x']
    const variables = [
      variable('SHOWN', 'a $CI_JOB_NAME', { public: true }),
      variable('CI_JOB_NAME', 'lint', { public: true }),
      variable('SECRET', 'hidden', { masked: true }),
    ]
    const overrides = { image: imageOf(busyboxImage, { entrypoint }) }
    const { outcome, trace } = await given.run(payload({ script: ['echo "$SHOWN"'], variables, overrides }))
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('entered with a lint, .\n')
    expect(trace).toContain('\na lint\n')
    await expectNothingLeft(given)
  })

  test('has an entrypoint that is no program, fails the job by its name', async () => {
    const given = await start()
    const { outcome, trace } = await given.run(job({ image: imageOf(busyboxImage, { entrypoint: ['/no/such'] }) }))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toContain('/no/such')
    await expectNothingLeft(given)
  })

  test('has an entrypoint that goes on after the script, has it ended, and after_script runs', async () => {
    const given = await start()
    const entrypoint = ['sh', '-c', '"$@"; sleep 1000', 'x']
    const { outcome, trace } = await given.run({
      ...payload({ script: ['echo one'], afterScript: ['echo two'] }),
      image: imageOf(busyboxImage, { entrypoint }),
    })
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\ntwo\n')
    await expectNothingLeft(given)
  })

  test('does not have the user, fails the job by its name', async () => {
    const given = await start()
    const { outcome, trace } = await given.run(job({ image: imageOf(busyboxImage, { user: 'nosuchuser' }) }))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toContain('nosuchuser')
    await expectNothingLeft(given)
  })
})

describe.skipIf(!hasEngine)('a service', () => {
  test('that never comes up is told of with its log, and the job runs', async () => {
    const name = image('runner-core-never-up:1', 'EXPOSE 80', 'CMD ["sh","-c","echo broken; sleep 1000"]')
    const given = await start({ settings: { waitForServicesMs: 1000 } })
    const { outcome, trace } = await given.run(job({ services: [serviceOf(name)] }))
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain("probably didn't start properly: nothing listens on port 80 after 1 s")
    expect(trace).toContain('broken')
    await expectNothingLeft(given)
  })

  test('whose alias DNS cannot take is known by its other names', async () => {
    const given = await start({ settings: { waitForServicesMs: 1000 } })
    const services = [serviceOf(busyboxImage, { alias: `-bad ${'x'.repeat(64)} good`, command: ['sleep', '1000'] })]
    const { outcome, trace } = await given.run(job({ services }, ['nslookup good >/dev/null && echo "found"']))
    expect(trace).toContain('Skipping alias "-bad"')
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\nfound\n')
    await expectNothingLeft(given)
  })

  test('that a job names five times is started once for each name', async () => {
    const given = await start({ settings: { waitForServicesMs: 1000 } })
    const services = Array.from({ length: 5 }, () => serviceOf(busyboxImage, { command: ['sleep', '1000'] }))
    const { outcome, trace } = await given.run(job({ services }))
    expect(outcome).toEqual({ state: 'success' })
    expect(trace.match(/is not started: no name is left for it/g)).toHaveLength(4)
    await expectNothingLeft(given)
  })

  test('that cannot be started fails the job by its name', async () => {
    const given = await start()
    const services = [serviceOf(busyboxImage, { alias: 'db', command: ['/no/such/program'] })]
    const { outcome, trace } = await given.run(job({ services }))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toMatch(/starting service runner-core-busybox:1: .*\/no\/such\/program/)
    await expectNothingLeft(given)
  })
})

describe.skipIf(!hasEngine)('a job', () => {
  /** Through a mounted socket, with this machine's own client. */
  const own = `docker -H unix:///host-run/${basename(engineSocket())}`
  const settings = {
    volumes: [
      { source: dirname(engineSocket()), destination: '/host-run', options: [] },
      { source: '/usr/bin/docker', destination: '/usr/bin/docker', options: ['ro'] },
    ],
  }
  const withClient = { image: imageOf(helperImage, { entrypoint: [''] }) }

  test.skipIf(isPodman)('that stops its own container fails as a script that is killed', async () => {
    const given = await start({ settings })
    const script = [
      'echo "before"',
      `${own} stop -t 0 $(basename $(cat /proc/1/cpuset) | sed s/^libpod-//)`,
      'sleep 60',
      'echo "still here"',
    ]
    const { outcome, trace } = await given.run(job(withClient, script))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'script_failure', exitCode: 137 })
    expect(trace).toContain('ERROR: Job failed: exit code 137')
    await expectNothingLeft(given)
  })

  test.skipIf(isPodman)('that removes its own container fails by that', async () => {
    const given = await start({ settings })
    const script = [
      'echo "before"',
      `${own} rm -f $(basename $(cat /proc/1/cpuset) | sed s/^libpod-//)`,
      'sleep 60',
      'echo "still here"',
    ]
    const { outcome, trace } = await given.run(job(withClient, script))
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toContain('its container was removed while the script ran in it')
    await expectNothingLeft(given)
  })

  test('whose helper is removed in the middle fails by that', async () => {
    const given = await start()
    let helper = ''
    const hooks = [{ name: 'pre_get_sources_script', script: ['echo "in the hook"', 'sleep 60'] }]
    const { outcome, trace } = await given.run(
      gitJob('https://nowhere.invalid/x.git', 'a'.repeat(40), { overrides: { hooks } }),
      {
        onOutput: (text) => {
          if (!text.includes('\nin the hook') || helper !== '') return
          helper = docker('ps', '-q', '--filter', `label=dev.runner-core.fleet=${given.name}/token/s_1`)
          docker('rm', '-f', helper)
        },
      },
    )
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toContain('its container was removed while the script ran in it')
    await expectNothingLeft(given)
  })

  test.each([
    ['in its shell', `trap '' TERM; echo "begun"; while :; do sleep 1; done`],
    ['in a child', `sh -c 'trap "" TERM; echo "begun"; while :; do sleep 1; done'`],
    ['in a process of its own session', `setsid sh -c 'trap "" TERM; echo "begun"; while :; do sleep 1; done'`],
  ])('that ignores TERM %s is killed when its grace is over', async (_where, line) => {
    const given = await start()
    const abort = new AbortController()
    const { outcome } = await given.run(payload({ script: [line] }), {
      abort: abort.signal,
      onOutput: (text) => {
        if (text.includes('\nbegun')) abort.abort()
      },
    })
    expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
    await expectNothingLeft(given)
  })

  test('that leaves processes behind ends when its script does, and they with it', async () => {
    const given = await start()
    const script = [
      'setsid sh -c "trap \'\' TERM HUP; while :; do sleep 1; done" &',
      '(sleep 1000 &) ; true',
      'sh -c "sleep 0 & exec sleep 1000" &',
      'echo "ran"',
    ]
    const { outcome, trace } = await given.run({
      ...payload({ script, afterScript: ['ps | grep -c "[s]leep 1000" || echo "alone"'] }),
    })
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).toContain('\nalone\n')
    await expectNothingLeft(given)
  })

  test('that shares processes with another container leaves those alone when it is stopped', async () => {
    const victim = docker('run', '-d', '--init', busyboxImage, 'sh', '-c', 'sleep 1001 & sleep 1002 & wait')
    try {
      const given = await start({ settings: { pidMode: `container:${victim}` } })
      const abort = new AbortController()
      const { outcome } = await given.run(payload({ script: ['echo "begun"', 'sleep 600'] }), {
        abort: abort.signal,
        onOutput: (text) => {
          if (text.includes('\nbegun')) abort.abort()
        },
      })
      expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
      await expectNothingLeft(given)
      const survivors = docker('exec', victim, 'ps')
      expect(survivors).toContain('sleep 1001')
      expect(survivors).toContain('sleep 1002')
      expect(survivors).not.toContain('sleep 600')
    } finally {
      docker('rm', '-f', victim)
    }
  })

  test.each(['../../etc', '/../../etc', 'x/../../../etc'])(
    'whose variable leads a mount to %s is refused',
    async (value) => {
      const given = await start({
        settings: { volumes: [{ destination: '/data/$WHERE', options: [] }] },
      })
      const { outcome, trace } = await given.run(
        payload({ script: ['ls -d /etc'], variables: [variable('WHERE', value)] }),
      )
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_configuration_error' })
      expect(trace).toContain('cannot mount "/data/$WHERE" of volumes')
      await expectNothingLeft(given)
    },
  )

  test('that is canceled while its services start leaves nothing', async () => {
    const given = await start()
    const canceling = new AbortController()
    const services = [serviceOf(busyboxImage, { command: ['sleep', '1000'] })]
    const { outcome } = await given.run(job({ services }), {
      canceling: canceling.signal,
      onOutput: (text) => {
        if (text.includes('Starting service')) canceling.abort()
      },
    })
    expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
    // The Engine may have been making it when its removal began.
    await given.run(payload())
    await expectNothingLeft(given)
  })
})

if (isPodman)
  console.warn('SKIPPED: a job that stops or removes its own container: with Podman its end is one of several')
const missing = !hasEngine
  ? 'no Docker Engine answers'
  : isPodman
    ? 'Podman uses a registry without TLS only where its own configuration names it'
    : registryMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs whose image is in a registry: ${missing}`)

describe.skipIf(missing !== undefined)('an image in a registry that', () => {
  test('wants a password that the job does not have fails it by the registry', async () => {
    await using registry = await DockerRegistry.start({ isPrivate: true })
    const given = await start({ settings: { pullPolicies: ['always'] } })
    const { outcome, trace } = await given.run(job({ image: imageOf(`${registry.host}/group/secret:1`) }))
    expect(outcome).toMatchObject({ state: 'failed', code: 'image_unavailable', reason: 'runner_configuration_error' })
    expect(trace).toContain(`there are no credentials for ${registry.host}`)
    await expectNothingLeft(given)
  })

  test('does not have it fails the job by its name', async () => {
    await using registry = await DockerRegistry.start()
    const given = await start({ settings: { pullPolicies: ['always'] } })
    const { outcome, trace } = await given.run(job({ image: imageOf(`${registry.host}/group/none:1`) }))
    expect(outcome).toMatchObject({ state: 'failed', code: 'image_unavailable', reason: 'runner_configuration_error' })
    expect(trace).toContain('the registry does not have this image')
    await expectNothingLeft(given)
  })
})
