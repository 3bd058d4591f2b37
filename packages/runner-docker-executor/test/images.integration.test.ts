// Images of jobs, from a registry process through a Docker Engine.

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@runner-core/fleeting'
import type { PrepareLog } from '@runner-core/job'
import { SlotConnection } from '@runner-core/runner-executor'
import type { Acquisition } from '@runner-core/taskscaler'
import { hasEngine } from '@runner-core/testkit/containers/busybox-image'
import { engineGateway } from '@runner-core/testkit/containers/engine-gateway'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import { push } from '@runner-core/testkit/registry/artifact'
import { account, DockerRegistry, registryMissing } from '@runner-core/testkit/registry/docker-registry'
import { type FaultyFront, startFaultyFront } from '@runner-core/testkit/registry/faulty-front'
import { authorityMissing, makeAuthority } from '@runner-core/testkit/registry/own-authority'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { EngineConnection } from '../src/engine/engine-connection.ts'
import { EngineLink } from '../src/engine/engine-link.ts'
import { type ImageRequest, type JobImage, JobImages } from '../src/images/job-images.ts'
import { RegistryAuth, type RegistryAuthOptions } from '../src/images/registry-auth.ts'
import { DockerClient } from './pushed-image.ts'

const client = new DockerClient()
const missing = hasEngine ? registryMissing() : 'no Docker Engine answers'
if (missing !== undefined) console.warn(`SKIPPED: images from a registry: ${missing}`)
/** An address of this computer that an Engine trusts only by a certificate: its own bridge. */
const bridge = missing === undefined ? engineGateway() : undefined
const untrusting =
  process.getuid?.() !== 0
    ? 'only root may tell the Engine whom to trust'
    : bridge
      ? authorityMissing()
      : 'there is no bridge'
if (missing === undefined && untrusting !== undefined)
  console.warn(`SKIPPED: images from a registry with a certificate: ${untrusting}`)

const never = new AbortController().signal
const sockets = new Set<Socket>()
let home: string
let said: string[]
let used: string[]
let links: EngineLink[]
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'images-'))
  mkdirSync(join(home, '.docker'))
  ;[said, used, links] = [[], [], []]
})
afterEach(() => {
  for (const link of links) link.close()
  for (const image of used) client.forget(image)
  rmSync(home, { recursive: true })
})
afterAll(() => client[Symbol.dispose]())

function newLink(): EngineLink {
  const connection = new EngineConnection(async () => {
    const socket = connect({ path: engineSocket(), allowHalfOpen: true })
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return await new Promise<Socket>((resolve, reject) =>
      socket.once('connect', () => resolve(socket)).once('error', reject),
    )
  })
  const acquisition = { connect: async () => connection } as Pick<Acquisition, 'connect'> as Acquisition
  const slot = new SlotConnection({ acquisition, connection, isPatient: true, clock: systemClock })
  const link = new EngineLink({ connection: slot, target: { socketPath: engineSocket() }, clock: systemClock })
  links.push(link)
  return link
}

async function newImages(options: Partial<RegistryAuthOptions> = {}): Promise<JobImages> {
  const log: PrepareLog = {
    line: (text) => void said.push(text),
    warning: (text) => void said.push(`WARNING: ${text}`),
    progress: (text) => void said.push(`\r${text}`),
    addSecret: () => {},
  }
  const auth = await RegistryAuth.open({
    ofJob: undefined,
    ofRunner: undefined,
    payload: [],
    environment: { HOME: home, PATH: `${home}:/usr/bin:/bin` },
    clock: systemClock,
    ...options,
  })
  return new JobImages({ link: newLink(), auth, log, clock: systemClock, random: () => 0 })
}

async function get(
  request: Pick<ImageRequest, 'image'> & Partial<ImageRequest>,
  options: Partial<RegistryAuthOptions> = {},
): Promise<JobImage> {
  used.push(request.image)
  const images = await newImages(options)
  return await images.get({ policies: ['always'], signal: never, ...request })
}

const authFile = (host: string, password: string = account.password): string =>
  JSON.stringify({ auths: { [host]: { auth: Buffer.from(`${account.username}:${password}`).toString('base64') } } })

describe.skipIf(missing !== undefined)('an open registry', () => {
  let registry: DockerRegistry
  let image: string
  let digest: string
  beforeAll(async () => {
    registry = await DockerRegistry.start()
    image = `${registry.host}/group/tiny:1`
    digest = client.push(image)
  })
  afterAll(async () => await registry[Symbol.asyncDispose]())

  test('an image is pulled, and its digest is in the trace', async () => {
    const { id, inspected } = await get({ image })
    expect(inspected).toMatchObject({ Id: id, Os: 'linux' })
    expect(said).toEqual([
      `Using effective pull policy of [always] for container ${image}`,
      `Pulling docker image ${image} ...`,
      `Using docker image ${id} for ${image} with digest ${registry.host}/group/tiny@${digest} ...`,
    ])
    expect(await get({ image: id })).toMatchObject({ id })
  })

  test('an image is pulled by its digest, with a tag or without', async () => {
    const { id } = await get({ image: `${registry.host}/group/tiny@${digest}` })
    expect(await get({ image: `${registry.host}/group/tiny:other@${digest}` })).toMatchObject({ id })
  })

  test('without a tag only the latest image is pulled', async () => {
    const latest = `${registry.host}/group/many`
    for (const tag of ['latest', 'old']) client.push(`${latest}:${tag}`)
    const { inspected } = await get({ image: latest })
    expect(inspected.RepoTags).toEqual([`${latest}:latest`])
    expect(client.run(['image', 'ls', '--quiet', latest]).split('\n')).toHaveLength(1)
  })

  test('an image that the Engine has is not pulled by if-not-present, and one that it lacks is', async () => {
    await get({ image, policies: ['if-not-present'] })
    expect(said).toContain(`Pulling docker image ${image} ...`)
    said.length = 0
    await get({ image, policies: ['if-not-present'] })
    expect(said).toContain('Using locally found image version due to "if-not-present" pull policy')
    expect(said).not.toContain(`Pulling docker image ${image} ...`)
  })

  test('an image that the Engine lacks is a failure where nothing may be pulled', async () => {
    await expect(get({ image, policies: ['never'] })).rejects.toMatchObject({
      code: 'image_unavailable',
      reason: 'image_pull_failure',
      message: `failed to pull image "${image}" with specified policies [never]: no such image: ${image}`,
    })
  })

  test.each([['group/tiny:nope'], ['group/nope:1']])(
    '%s, which the registry does not have, is told by name',
    async (name) => {
      await expect(get({ image: `${registry.host}/${name}` })).rejects.toMatchObject({
        code: 'image_unavailable',
        reason: 'runner_configuration_error',
        message: expect.stringMatching(/: the registry does not have this image: .*manifest unknown/),
      })
    },
  )

  test('an image for one other platform, or for several, is told by name', async () => {
    await expect(get({ image, platform: 's390x' })).rejects.toMatchObject({
      reason: 'image_pull_failure',
      message: expect.stringMatching(
        /: the image does not exist for this platform: it is for linux\/.*, not for linux\/s390x$/,
      ),
    })
    const { inspected } = await get({ image, platform: 'linux' })
    expect(await get({ image, platform: inspected.Architecture })).toMatchObject({
      platform: `linux/${inspected.Architecture}`,
    })
    await push(`http://${registry.host}`, 'group/index', {
      version: '1',
      files: { 'linux/s390x': [], 'linux/ppc64le': [] },
    })
    await expect(get({ image: `${registry.host}/group/index:1`, platform: 'linux/riscv64' })).rejects.toMatchObject({
      reason: 'image_pull_failure',
      message: expect.stringMatching(/: the image does not exist for this platform: .*no matching manifest/),
    })
  })

  test('a registry that nobody runs is tried three times', async () => {
    const gone = await DockerRegistry.start()
    const { host } = gone
    await gone[Symbol.asyncDispose]()
    await expect(get({ image: `${host}/x:1` })).rejects.toMatchObject({
      code: 'image_unavailable',
      reason: 'runner_external_dependency_failure',
      message: expect.stringMatching(/: the registry cannot be reached: .*connection refused$/),
    })
    expect(said.filter((text) => text.includes('retrying in'))).toHaveLength(2)
  })

  describe('with the network between', () => {
    let front: FaultyFront
    let throughFront: string
    beforeEach(async () => {
      front = await startFaultyFront(registry.port)
      throughFront = `${front.host}/group/large:1`
    })
    beforeAll(() => client.push(`${registry.host}/group/large:1`, { bytes: 4_000_000 }))
    afterEach(async () => await front[Symbol.asyncDispose]())

    test('a registry that goes away in the middle is asked again', async () => {
      let cuts = 0
      front.fault = (request) => {
        const isCut = /\/manifests\//.test(request.url!) && cuts++ < 1
        if (isCut) request.socket.destroy()
        return isCut
      }
      await get({ image: throughFront })
      // Docker itself asks once more when a request is cut.
      expect(cuts).toBeGreaterThan(1)
    })

    test('a registry that fails is told by name', async () => {
      front.fault = (request, response) => {
        const isAsked = /\/manifests\//.test(request.url!)
        if (isAsked) response.writeHead(502).end()
        return isAsked
      }
      await expect(get({ image: throughFront })).rejects.toMatchObject({
        reason: 'image_pull_failure',
        message: expect.stringMatching(/: the registry failed: .*502 Bad Gateway/),
      })
      expect(said.filter((text) => text.includes('retrying in'))).toHaveLength(2)
    })

    /** Sends a layer in pieces, with a pause after each. */
    function slowLayer(pause: () => Promise<void>, pieces = 5): void {
      front.fault = (request, response) => {
        if (request.method !== 'GET' || !/\/blobs\//.test(request.url!)) return false
        void (async () => {
          const blob = await fetch(`http://${registry.host}${request.url!}`)
          const bytes = Buffer.from(await blob.arrayBuffer())
          // The image's configuration is small.
          if (bytes.length < 100_000) return void response.end(bytes)
          response.writeHead(200, { 'content-length': bytes.length })
          const size = Math.ceil(bytes.length / pieces)
          for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
            response.write(bytes.subarray(at, at + size))
            await pause()
          }
          response.end()
        })()
        return true
      }
    }

    test('the trace shows how far a slow pull is', async () => {
      slowLayer(() => new Promise((resolve) => setTimeout(resolve, 500)))
      await get({ image: throughFront })
      const progress = said.filter((text) => text.startsWith('\r'))
      expect(progress[0]).toMatch(/^\rPulling 127\.0\.0\.1:\d+\/group\/large:1: 0 of 1 layers, \d\.\d of 4\.0 MB$/)
      expect(new Set(progress).size).toBe(progress.length)
    })

    test('a job that ends takes its pull with it', async () => {
      const controller = new AbortController()
      const cut: string[] = []
      // In more pieces than there is patience: the Engine looks whether anybody still wants a layer when a piece comes.
      slowLayer(() => new Promise((resolve) => setTimeout(resolve, 300)), 200)
      const slow = front.fault
      front.fault = (request, response) => {
        response.on('close', () => void (!response.writableFinished && cut.push(request.url!)))
        return slow(request, response)
      }
      const getting = get({ image: throughFront, signal: controller.signal })
      getting.catch(() => {})
      await vi.waitFor(() => expect(said.at(-1)).toMatch(/^\rPulling/), { timeout: 20_000 })
      controller.abort(new Error('canceled'))
      await expect(getting).rejects.toThrow('canceled')
      await vi.waitFor(() => expect(cut).toHaveLength(1), { timeout: 20_000 })
    })

    test('a pull goes on over another connection when the one to the Engine is cut', async () => {
      slowLayer(() => new Promise((resolve) => setTimeout(resolve, 400)))
      const getting = get({ image: throughFront })
      getting.catch(() => {})
      await vi.waitFor(() => expect(said.at(-1)).toMatch(/^\rPulling/), { timeout: 20_000 })
      for (const socket of sockets) socket.destroy()
      await getting
      expect(said).toContainEqual(expect.stringMatching(/^WARNING: Failed to pull image .*\(attempt #1\)/))
    })
  })
})

describe.skipIf(missing !== undefined)('a registry that asks for a password', () => {
  let registry: DockerRegistry
  let image: string
  beforeAll(async () => {
    registry = await DockerRegistry.start({ isPrivate: true })
    image = `${registry.host}/group/private:1`
    client.logIn(registry.host, account)
    client.push(image)
  })
  afterAll(async () => await registry[Symbol.asyncDispose]())

  test('the job has one', async () => {
    await get({ image }, { ofJob: authFile(registry.host) })
    expect(said).toContain('Authenticating with credentials from $DOCKER_AUTH_CONFIG')
  })

  test('the payload has one', async () => {
    await get({ image }, { payload: [{ type: 'registry', url: registry.host, ...account }] })
    expect(said).toContain('Authenticating with credentials from job payload (GitLab Registry)')
  })

  test('the user of the manager has one', async () => {
    writeFileSync(join(home, '.docker/config.json'), authFile(registry.host))
    await get({ image })
    expect(said).toContain(`Authenticating with credentials from ${home}/.docker/config.json`)
  })

  test('a credential helper of the manager has one', async () => {
    const answer = JSON.stringify({ Username: account.username, Secret: account.password })
    writeFileSync(join(home, 'docker-credential-test'), `#!/bin/sh\necho '${answer}'\n`)
    chmodSync(join(home, 'docker-credential-test'), 0o755)
    await get({ image }, { ofRunner: JSON.stringify({ credHelpers: { [registry.host]: 'test' } }) })
    expect(said).toContain('Authenticating with credentials from $DOCKER_AUTH_CONFIG of the runner')
  })

  test('nobody has one', async () => {
    await expect(get({ image })).rejects.toMatchObject({
      code: 'image_unavailable',
      reason: 'runner_configuration_error',
      message: expect.stringContaining(
        `: there are no credentials for ${registry.host}, and it asks for some or does not have this image: `,
      ),
    })
  })

  test('the one that the job has is wrong, and is not shown', async () => {
    await expect(get({ image }, { ofJob: authFile(registry.host, 'wrong-one') })).rejects.toMatchObject({
      reason: 'runner_configuration_error',
      message: expect.stringContaining(
        `: ${registry.host} does not accept the credentials from $DOCKER_AUTH_CONFIG, or does not have this image: `,
      ),
    })
    expect(said.join('\n')).not.toContain('wrong-one')
  })
})

describe.skipIf(missing !== undefined || untrusting !== undefined)(
  'a registry with a certificate of its own authority',
  () => {
    test('is told by name where the Engine does not trust it, and is pulled from where it does', async () => {
      using authority = makeAuthority(bridge!)
      const tls = { certificate: authority.certificate, key: authority.key }
      await using registry = await DockerRegistry.start({ address: bridge!, tls })
      const image = `${registry.host}/group/trusted:1`
      await expect(get({ image })).rejects.toMatchObject({
        reason: 'image_pull_failure',
        message: expect.stringMatching(/: the Engine does not trust the registry's certificate.*: .*x509: /),
      })
      const trusted = join('/etc/docker/certs.d', registry.host)
      mkdirSync(trusted, { recursive: true })
      try {
        copyFileSync(authority.authority, join(trusted, 'ca.crt'))
        client.push(image)
        await get({ image })
      } finally {
        rmSync(trusted, { recursive: true })
      }
    })
  },
)
