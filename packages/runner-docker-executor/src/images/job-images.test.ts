import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { systemClock } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { PrepareLog } from '@runner-core/job'
import { afterEach, expect, test, vi } from 'vitest'
import { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { PullPolicy } from '../settings/docker-settings.ts'
import { JobImages } from './job-images.ts'
import { RegistryAuth } from './registry-auth.ts'

const never = new AbortController().signal
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const inspected = (more: object = {}) => ({
  Id: `sha256:${'1'.repeat(64)}`,
  Os: 'linux',
  Architecture: 'amd64',
  RepoDigests: ['other/ruby@sha256:bb', 'ruby@sha256:aa'],
  ...more,
})
type Answer = (request: IncomingMessage, response: ServerResponse) => void
const json = (status: number, body: object): Answer => {
  return (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
const lines = (...messages: readonly object[]): Answer => {
  return (_, response) => void response.end(messages.map((message) => `${JSON.stringify(message)}\r\n`).join(''))
}
const absent = json(404, { message: 'No such image' })

/** An Engine that answers as it is told: each answer once, the last one for good. */
async function rig(answers: { readonly inspect: Answer[]; readonly create?: Answer[]; readonly ping?: Answer }) {
  const created: string[] = []
  const take = (list: Answer[] = []): Answer => (list.length > 1 ? list.shift()! : (list[0] ?? json(500, {})))
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://docker')
    if (pathname === '/version')
      return json(200, { ApiVersion: '1.41', MinAPIVersion: '1.12', Os: 'linux', Arch: 'amd64' })(request, response)
    if (pathname.endsWith('/_ping')) return (answers.ping ?? json(200, {}))(request, response)
    if (pathname.endsWith('/images/create')) {
      created.push([searchParams.get('fromImage'), searchParams.get('platform')].filter(Boolean).join(' '))
      return take(answers.create)(request, response)
    }
    return take(answers.inspect)(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dial = async () => connect((server.address() as AddressInfo).port, '127.0.0.1')
  const clock = new ManualClock()
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  closing.push(() => {
    engine.close()
    server.closeAllConnections()
    server.close()
  })
  const said: string[] = []
  const log: PrepareLog = {
    line: (text) => void said.push(text),
    warning: (text) => void said.push(`WARNING: ${text}`),
    progress: (text) => void said.push(`\r${text}`),
    addSecret: (secret) => void said.push(`(masked: ${secret})`),
  }
  const payload = [{ type: 'registry', url: 'r.io', username: 'me', password: 'hidden' }]
  const environment = { HOME: '/nonexistent' }
  const auth = await RegistryAuth.open({ ofJob: undefined, ofRunner: undefined, payload, environment, clock })
  const link = {
    engine: async () => engine,
    again: async () => {
      said.push('(connected again)')
      return engine
    },
    isLost: (error: unknown) => error instanceof EngineError && error.code === 'unreachable',
  }
  const images = new JobImages({ link, auth, log, clock, random: () => 1 })
  const get = (image: string, policies: readonly PullPolicy[], platform?: string, signal: AbortSignal = never) =>
    images.get({ image, policies, platform, signal })
  return { get, clock, said, created }
}

test('a pulled image is named with its digest, and is not pulled twice for a job', async () => {
  const { get, said, created } = await rig({
    inspect: [absent, json(200, inspected())],
    create: [lines({ status: 'x' })],
  })
  expect(await get('ruby', ['always'])).toMatchObject({ id: `sha256:${'1'.repeat(64)}`, platform: undefined })
  expect(said).toEqual([
    '(masked: hidden)',
    'Using effective pull policy of [always] for container ruby',
    'Pulling docker image ruby ...',
    `Using docker image sha256:${'1'.repeat(64)} for ruby with digest ruby@sha256:aa ...`,
  ])
  await get('ruby', ['always'])
  expect(created).toEqual(['ruby:latest'])
  expect(said.slice(4)).toEqual(['(masked: hidden)', 'Using effective pull policy of [always] for container ruby'])
})

test('an image that is there is only pulled by the policy always', async () => {
  const { get, said, created } = await rig({ inspect: [json(200, inspected())], create: [lines({})] })
  for (const policy of ['never', 'if-not-present'] as const) await get('ruby:1', [policy])
  expect(created).toEqual([])
  expect(said[0]).toBe('(masked: hidden)')
  expect(said).toContain('Using effective pull policy of [never] for container ruby:1')
  await get('ruby:2', ['if-not-present'])
  expect(said).toContain('Using locally found image version due to "if-not-present" pull policy')
  await get('ruby:3', ['always'])
  expect(created).toEqual(['ruby:3'])
})

test('an image by its id is not pulled', async () => {
  const id = `sha256:${'1'.repeat(64)}`
  const { get, created } = await rig({ inspect: [json(200, inspected()), absent] })
  expect(await get('1'.repeat(64), ['always'])).toMatchObject({ id })
  await expect(get(`sha256:${'2'.repeat(64)}`, ['always'])).rejects.toMatchObject({
    code: 'image_unavailable',
    message: expect.stringContaining('there is no image with this id, and none can be pulled by its id'),
  })
  expect(created).toEqual([])
})

test('an image that is not there ends the job where nothing may be pulled', async () => {
  const { get } = await rig({ inspect: [absent] })
  await expect(get('ruby', ['never'])).rejects.toMatchObject({
    code: 'image_unavailable',
    reason: 'image_pull_failure',
    message: 'failed to pull image "ruby" with specified policies [never]: no such image: ruby:latest',
  })
})

test('a bad name, and a bad platform, end the job', async () => {
  const { get } = await rig({ inspect: [absent] })
  const error = { code: 'invalid_job', reason: 'runner_configuration_error' }
  await expect(get('No Name', ['always'])).rejects.toMatchObject(error)
  await expect(get('ruby', ['always'], 'a/b/c/d')).rejects.toMatchObject(error)
})

test('the next policy is tried when one fails, and each failure is in the trace', async () => {
  const unknown = json(404, { message: 'manifest for ruby:latest not found: manifest unknown' })
  const { get, said } = await rig({ inspect: [absent, json(200, inspected())], create: [unknown] })
  await get('ruby', ['always', 'if-not-present'])
  expect(said.slice(3)).toEqual([
    'WARNING: Failed to pull image with policy "always": the registry does not have this image: manifest for ruby:latest not found: manifest unknown',
    'Attempt #2: Trying "if-not-present" pull policy',
    'Using locally found image version due to "if-not-present" pull policy',
    expect.stringMatching(/^Using docker image /),
  ])
})

test('a failure that may pass is tried three times, with a wait between', async () => {
  const refused = json(500, { message: 'dial tcp 127.0.0.1:1: connect: connection refused' })
  const broken = lines({ status: 'Pulling' }, { errorDetail: { message: 'unexpected EOF' }, error: 'unexpected EOF' })
  const { get, said, created, clock } = await rig({ inspect: [absent], create: [refused, broken, refused] })
  const getting = get('ruby', ['always'])
  getting.catch(() => {})
  await vi.waitFor(() =>
    expect(said.at(-1)).toMatch(/\(attempt #1\), retrying in 2.0 s: the registry cannot be reached: dial tcp/),
  )
  await clock.advance(2000)
  await vi.waitFor(() =>
    expect(said.at(-1)).toMatch(/\(attempt #2\), retrying in 4.0 s: the registry failed: unexpected EOF$/),
  )
  await clock.advance(4000)
  await expect(getting).rejects.toMatchObject({
    code: 'image_unavailable',
    reason: 'runner_external_dependency_failure',
    message: expect.stringContaining(
      'failed to pull image "ruby" with specified policies [always]: the registry cannot be',
    ),
  })
  expect(created).toHaveLength(3)
})

test('no word of the registry shows a credential', async () => {
  const quoting = json(500, { message: 'no: hidden bWU6aGlkZGVu https://me:hidden@r.io/v2/?token=x' })
  const { get, said } = await rig({ inspect: [absent], create: [quoting] })
  await expect(get('r.io/x', ['always'])).rejects.toThrow('no: [MASKED] [MASKED] https://r.io/v2/')
  expect(said).toContain('Authenticating with credentials from job payload (GitLab Registry)')
  expect(said.filter((text) => !text.startsWith('(masked')).join()).not.toContain('hidden')
})

test('the trace shows how far a pull is', async () => {
  const pulling: ServerResponse[] = []
  const { get, said, clock } = await rig({
    inspect: [absent, json(200, inspected())],
    create: [(_, response) => void pulling.push(response.writeHead(200))],
  })
  const getting = get('ruby', ['always'])
  await vi.waitFor(() => expect(pulling).toHaveLength(1))
  pulling[0]!.write('{"id":"a","status":"Downloading","progressDetail":{"current":1000000,"total":9000000}}\n')
  // That of the pull itself, and that of its line.
  await vi.waitFor(() => expect(clock.pendingTimers).toBe(2))
  await clock.advance(1000)
  expect(said.at(-1)).toBe('\rPulling ruby: 0 of 1 layers, 1.0 of 9.0 MB')
  pulling[0]!.end()
  await getting
  expect(clock.pendingTimers).toBe(0)
})

test('an image for another platform than was asked for is no image', async () => {
  const arm = json(200, inspected({ Architecture: 'arm64', Variant: 'v8' }))
  const { get, said, created } = await rig({ inspect: [json(200, inspected())], create: [lines({})] })
  await expect(get('ruby', ['if-not-present', 'never'], 'arm64')).rejects.toMatchObject({
    reason: 'image_pull_failure',
    message: expect.stringContaining('the image is for linux/amd64, not for linux/arm64'),
  })
  expect(created).toEqual(['ruby:latest linux/arm64'])
  expect(said).toContain(
    'WARNING: Failed to pull image with policy "if-not-present": the image does not exist for this platform: it is for linux/amd64, not for linux/arm64',
  )
  const fits = await rig({ inspect: [arm] })
  expect(await fits.get('ruby', ['if-not-present'], 'linux/aarch64')).toMatchObject({ platform: 'linux/arm64' })
  const unasked = await rig({ inspect: [arm] })
  await unasked.get('ruby', ['if-not-present'])
  expect(unasked.said).toContain('WARNING: The image ruby is for linux/arm64/v8, the Engine is linux/amd64')
})

test('an Engine that says it has pulled an image, and does not have it, is not believed', async () => {
  const { get } = await rig({ inspect: [absent], create: [(_, response) => void response.end('<html>')] })
  await expect(get('ruby', ['always'])).rejects.toThrow('the Engine says it has pulled ruby, but does not have it')
})

test.each<[string, Answer, object]>([
  ['answers 500', json(500, {}), { code: 'image_unavailable', reason: 'image_pull_failure' }],
  [
    'has no room',
    json(500, { message: 'write /x: no space left on device' }),
    { name: 'EngineError', code: 'no_space' },
  ],
  ['has no room in the middle', lines({ error: 'no space left on device' }), { name: 'EngineError', code: 'no_space' }],
  [
    'sends no end of a line',
    (_, response) => void response.end('x'.repeat(300_000)),
    { name: 'EngineError', code: 'failed' },
  ],
])('an Engine that %s is told by name', async (_, create, expected) => {
  const { get } = await rig({ inspect: [absent], create: [create] })
  await expect(get('ruby', ['always'])).rejects.toMatchObject(expected)
})

test('an Engine that has no room for an image may have it all the same', async () => {
  const create = [json(500, { message: 'no space left on device' })]
  const { get } = await rig({ inspect: [absent, json(200, inspected())], create })
  await get('ruby', ['always', 'if-not-present'])
})

test('an Engine that breaks off when it is asked for the image is asked again', async () => {
  const cut: Answer = (_, response) => void response.destroy()
  const { get, said } = await rig({ inspect: [cut, json(200, inspected())] })
  await get('ruby', ['never'])
  expect(said).toContain('(connected again)')
})

test('an Engine that cannot say whether it has the image is not the registry', async () => {
  const { get } = await rig({ inspect: [json(500, { message: 'odd' })] })
  await expect(get('ruby', ['never', 'always'])).rejects.toMatchObject({ name: 'EngineError', code: 'failed' })
})

test('an Engine that goes away in the middle is asked again, and then given up', async () => {
  const cut: Answer = (_, response) => {
    response.writeHead(200).write('{"status":"x"}\n')
    setImmediate(() => response.destroy())
  }
  const { get, clock, said, created } = await rig({ inspect: [absent], create: [cut] })
  const getting = get('ruby', ['always', 'never'])
  getting.catch(() => {})
  for (const attempt of [1, 2]) {
    await vi.waitFor(() => expect(said.at(-1)).toContain(`(attempt #${attempt})`))
    await clock.advance(10_000)
  }
  await expect(getting).rejects.toMatchObject({ name: 'EngineError', code: 'unreachable' })
  expect(created).toHaveLength(3)
  expect(said.filter((text) => text === '(connected again)')).toHaveLength(2)
})

test('a pull without progress is ended, and whether the Engine still works decides whose failure it is', async () => {
  const arrived: IncomingMessage[] = []
  const silent: Answer = (request) => void arrived.push(request)
  const { get, clock } = await rig({ inspect: [absent], create: [silent] })
  const getting = get('ruby', ['always'])
  getting.catch(() => {})
  await vi.waitFor(() => expect(arrived).toHaveLength(1))
  await clock.advance(300_000)
  await expect(getting).rejects.toMatchObject({
    code: 'image_unavailable',
    reason: 'runner_external_dependency_failure',
    message: expect.stringContaining('the registry sends nothing: no progress for 300 s'),
  })
  const gone = await rig({ inspect: [absent], create: [silent], ping: (_, response) => void response.destroy() })
  const hanging = gone.get('ruby', ['always'])
  hanging.catch(() => {})
  await vi.waitFor(() => expect(arrived).toHaveLength(2))
  await gone.clock.advance(300_000)
  await vi.waitFor(() => expect(gone.said.at(-1)).toContain('(attempt #1)'))
})

test('a pull may take any time, as long as it makes progress', async () => {
  const pulling: ServerResponse[] = []
  const { get, said, clock } = await rig({
    inspect: [absent, json(200, inspected())],
    create: [(_, response) => void pulling.push(response.writeHead(200))],
  })
  const getting = get('ruby', ['always'])
  getting.catch(() => {})
  await vi.waitFor(() => expect(pulling).toHaveLength(1))
  for (let current = 1; current <= 5; current++) {
    pulling[0]!.write(
      `{"id":"a","status":"Downloading","progressDetail":{"current":${current}000000,"total":9000000}}\n`,
    )
    // The first one sets a timer for its line.
    if (current === 1) await vi.waitFor(() => expect(clock.pendingTimers).toBe(2))
    else await vi.waitFor(() => expect(said.at(-1)).toContain(`, ${current}.0 of 9.0 MB`))
    await clock.advance(200_000)
  }
  pulling[0]!.end()
  expect(await getting).toMatchObject({ inspected: { Os: 'linux' } })
})

test('a job that ends takes its pull with it', async () => {
  const controller = new AbortController()
  let closed = false
  const create: Answer = (_, response) => {
    response.on('close', () => {
      closed = true
    })
    response.writeHead(200).write('{"status":"x"}\n')
  }
  const { get, said } = await rig({ inspect: [absent], create: [create] })
  const getting = get('ruby', ['always'], undefined, controller.signal)
  await vi.waitFor(() => expect(said.at(-1)).toContain('Pulling docker image'))
  controller.abort(new Error('canceled'))
  await expect(getting).rejects.toThrow('canceled')
  await vi.waitFor(() => expect(closed).toBe(true))
})
