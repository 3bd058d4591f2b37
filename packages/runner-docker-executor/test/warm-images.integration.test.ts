// Images that are pulled before jobs come, from a registry process through a Docker Engine.
import { execFile } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import { type Logger, silentLogger, systemClock } from '@runner-core/fleeting'
import { MemoryGroup, simpleShell } from '@runner-core/fleeting/testing'
import { type Decision, type IdlePolicy, resolvePolicy } from '@runner-core/taskscaler'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { account, DockerRegistry, registryMissing } from '@runner-core/testkit/registry/docker-registry'
import { type FaultyFront, startFaultyFront } from '@runner-core/testkit/registry/faulty-front'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { EngineConnection } from '../src/engine/engine-connection.ts'
import { ImageWarmer, type ImageWarmerOptions } from '../src/images/image-warmer.ts'
import { imageOf, JobRig, type JobRigOptions, openSocket } from './job-rig.ts'
import { DockerClient } from './pushed-image.ts'
import { makeImage } from './service-image.ts'

const pull = promisify(execFile)
const client = new DockerClient()
const missing = hasEngine ? registryMissing() : 'no Docker Engine answers'
if (missing !== undefined) console.warn(`SKIPPED: images that are pulled before jobs come: ${missing}`)

const target = { socketPath: '/var/run/docker.sock' }
const oneIdle: IdlePolicy = resolvePolicy({ timezone: 'UTC', idleCount: 1, idleTimeMs: 60_000 })

describe.skipIf(missing !== undefined)('images that are pulled before jobs come', () => {
  let registry: DockerRegistry
  let front: FaultyFront
  let decisions: Decision[]
  let logged: string[]
  /** Requests that get no answer. */
  let held: ServerResponse[]
  let rig: JobRig | undefined
  const used: string[] = []
  const logger: Logger = {
    ...silentLogger,
    warn: (fields, message) =>
      void logged.push(
        `${message}: ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
      ),
  }
  beforeAll(async () => {
    makeBusyboxImage()
    registry = await DockerRegistry.start()
  })
  beforeEach(async () => {
    ;[decisions, logged, held, rig] = [[], [], [], undefined]
    front = await startFaultyFront(registry.port)
  })
  afterEach(async () => {
    await rig?.[Symbol.asyncDispose]()
    await front[Symbol.asyncDispose]()
    for (const image of used.splice(0)) client.forget(image)
  })
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]()
    client[Symbol.dispose]()
  })

  function pushed(name: string): string {
    client.push(`${registry.host}/${name}`)
    const image = `${front.host}/${name}`
    used.push(image)
    return image
  }

  function warmer(images: readonly string[], options: Partial<ImageWarmerOptions> = {}): ImageWarmer {
    const environment = { HOME: '/nowhere', PATH: process.env['PATH'] }
    return new ImageWarmer({
      images,
      target,
      environmentVariables: [],
      environment,
      clock: systemClock,
      random: () => 0,
      logger,
      ...options,
    })
  }

  async function start(warmUp: ImageWarmer, options: JobRigOptions = {}): Promise<JobRig> {
    const observer = { decided: (decision: Decision) => void decisions.push(decision) }
    rig = await JobRig.start({
      ...options,
      scaler: { policies: [oneIdle], warmUp, observer, logger, ...options.scaler },
    })
    return rig
  }

  const ready = async (): Promise<string> =>
    await vi.waitFor(() => decisions.find(({ kind }) => kind === 'ready')?.reason ?? expect.fail('not ready'), {
      timeout: 30_000,
    })

  const has = (image: string): boolean => client.run(['image', 'ls', '--quiet', image]) !== ''

  const hang = (): void => {
    front.fault = (request, response) => {
      const isHeld = /\/manifests\//.test(request.url!)
      if (isHeld) held.push(response)
      return isHeld
    }
  }

  test('are on the Engine when it counts as ready', async () => {
    const images = [pushed('group/one:1'), pushed('group/two:1'), pushed('group/three:1')]
    let hadThem: boolean[] = []
    const observer = {
      decided: (decision: Decision): void => {
        if (decision.kind === 'ready') hadThem = images.map(has)
        decisions.push(decision)
      },
    }
    const environmentVariables = [{ key: 'REGISTRY', value: front.host }]
    const named = images.map((image) => image.replace(front.host, '$REGISTRY'))
    await start(warmer(named, { environmentVariables }), { scaler: { observer } })
    expect(await ready()).toMatch(/^has \$REGISTRY\/group\/one:1, .*\/two:1, .*\/three:1, after \d/)
    expect([hadThem, logged]).toEqual([[true, true, true], []])
  })

  test('are not asked for where the Engine has them', async () => {
    const image = pushed('group/here:1')
    await pull('docker', ['pull', '--quiet', image])
    front.asked.length = 0
    await start(warmer([image]))
    expect(await ready()).toMatch(/^has /)
    expect([front.asked, logged]).toEqual([[], []])
  })

  test('keep no job waiting while their registry hangs, and the job runs beside the pull', async () => {
    const image = pushed('group/hanging:1')
    hang()
    await start(warmer([image]), { scaler: { policies: [] } })
    const { outcome, trace } = await rig!.run(payload({ script: ['echo done'] }))
    expect(outcome, trace).toMatchObject({ state: 'success' })
    expect(await ready()).toBe(`a job needs it; pulling ${image} continues beside it`)
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 20_000 })
    expect(held[0]!.closed).toBe(false)
    expect(has(image)).toBe(false)
  })

  test('end at their limit while their registry hangs, and the Engine is ready without them', async () => {
    const image = pushed('group/late:1')
    hang()
    const sockets: Duplex[] = []
    const open = async (): Promise<Duplex> => {
      const socket = await openSocket()
      sockets.push(socket)
      return socket
    }
    await start(warmer([image], { limitMs: 2000 }), { open })
    expect(await ready()).toBe(`pulling ${image}: not done within 2 s`)
    expect(logged).toEqual([expect.stringMatching(/^instance not warmed: .*not done within/)])
    expect(rig!.scaler.snapshot().supply).toMatchObject({ available: 1, condemned: [] })
    expect(sockets.filter(({ destroyed }) => !destroyed)).toEqual([])
  })

  test('that do not exist are told once, in the words of the registry, and others are there', async () => {
    const [image, absent] = [pushed('group/there:1'), `${front.host}/group/nope:1`]
    const warmUp = warmer([absent, image])
    await start(warmUp)
    expect(await ready()).toMatch(new RegExp(`^has ${image}, could not pull ${absent}, after`))
    const connection = new EngineConnection(openSocket)
    const [instance] = rig!.scaler.instances()
    await warmUp.run(instance!.instance, connection, { signal: new AbortController().signal, has: () => {} })
    await connection.close()
    expect(logged).toEqual([expect.stringMatching(/^image not pulled: .*group\/nope:1.*manifest unknown/)])
  })

  test('have the credentials of the runner, and a wrong one is not in the log', async () => {
    await using closed = await DockerRegistry.start({ isPrivate: true })
    const image = `${closed.host}/group/private:1`
    used.push(image)
    client.logIn(closed.host, account)
    client.push(image)
    const withPassword = (password: string): Partial<ImageWarmerOptions> => {
      const auth = Buffer.from(`${account.username}:${password}`).toString('base64')
      const value = JSON.stringify({ auths: { [closed.host]: { auth } } })
      return { environmentVariables: [{ key: 'DOCKER_AUTH_CONFIG', value }] }
    }
    await start(warmer([image], withPassword('wrong-one')))
    expect(await ready()).toMatch(/^could not pull /)
    expect(logged).toEqual([
      expect.stringMatching(/does not accept the credentials from \$DOCKER_AUTH_CONFIG of the runner/),
    ])
    expect(logged.join('')).not.toContain('wrong-one')
    await rig![Symbol.asyncDispose]()
    decisions = []
    await start(warmer([image], withPassword(account.password)))
    expect(await ready()).toMatch(/^has /)
  })

  test('and images of earlier jobs decide where a job goes among instances that are alike, and it says so', async () => {
    makeImage('runner-core-warm:1')
    const group = new EnginesGroup({ clock: systemClock, shell: simpleShell, bootDelayMs: 0, deleteDelayMs: 0 })
    const twoIdle = { ...oneIdle, idleCount: 2 }
    await start(warmer([]), { group, scaler: { policies: [twoIdle] } })
    await vi.waitFor(() => expect(decisions.filter(({ kind }) => kind === 'ready')).toHaveLength(2), {
      timeout: 20_000,
    })
    const run = async (image: string): Promise<string> => {
      const { outcome, trace } = await rig!.run({ ...payload({ script: ['echo done'] }), image: imageOf(image) })
      expect(outcome, trace).toMatchObject({ state: 'success' })
      return /Using image .*/.exec(trace)![0]
    }
    const first = await run(busyboxImage)
    // Another job has the instance that was used last, so that the next one gets the other.
    const beside = await rig!.scaler.acquire(rig!.scaler.reserve())
    const second = await run('runner-core-warm:1')
    rig!.scaler.release(beside)
    const [one, other] = [first, second].map((line) => /on instance (\S+),/.exec(line)![1])
    expect(beside.instanceId).toBe(one)
    expect(one).not.toBe(other)
    expect(await run('runner-core-warm:1')).toBe(
      `Using image runner-core-warm:1 on instance ${other}, slot 0, chosen because it has the image`,
    )
    expect(await run('runner-core-warm:1')).toBe(`Using image runner-core-warm:1 on instance ${other}, slot 0`)
    expect(await run(busyboxImage)).toMatch(`on instance ${one}, slot 0, chosen because it has the image`)
  })
})

/** Instances in memory that all have this machine's Engine. */
class EnginesGroup extends MemoryGroup {
  override readonly connect = async (): Promise<EngineConnection> => new EngineConnection(openSocket)
}
