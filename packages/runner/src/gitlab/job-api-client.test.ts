import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { ManualClock } from '@runner-core/fleeting/testing'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Received, ScriptedServer } from '../../test/scripted-server.ts'
import { JobApiClient, type JobApiClientOptions } from './job-api-client.ts'
import { describeRunner } from './runner-info.ts'

const info = describeRunner({
  version: '1.2.3',
  executor: 'instance',
  shell: 'bash',
  features: ['variables', 'masking'],
})
const job = { id: 7, token: 'job-token' }
const jobBody = JSON.stringify({ id: 7, token: 'job-token', steps: [{ name: 'script', script: ['true'] }] })

const opened: AsyncDisposable[] = []
function clientFor(url: string, options: Partial<JobApiClientOptions> = {}): JobApiClient {
  const client = new JobApiClient({
    url,
    token: 'runner-token',
    systemId: 's_0123456789ab',
    info,
    environment: {},
    random: () => 1,
    ...options,
  })
  opened.push({ [Symbol.asyncDispose]: () => client.close() })
  return client
}

let server: ScriptedServer
beforeEach(async () => {
  server = await ScriptedServer.start()
})
afterEach(async () => {
  for (const resource of opened.splice(0)) await resource[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

describe('what is sent', () => {
  it('a request for a job', async () => {
    await clientFor(`${server.url}/ci/`).requestJob()
    const { method, path, headers, json } = await server.take()
    expect(`${method} ${path}`).toBe('POST /api/v4/jobs/request')
    expect(headers).toMatchObject({
      'runner-token': 'runner-token',
      'content-type': 'application/json',
      accept: 'application/json',
    })
    expect(headers['user-agent']).toMatch(
      /^gitlab-runner 1\.2\.3 \(runner-core; node\d+\.\d+\.\d+; [a-z0-9]+\/[a-z0-9]+\)$/,
    )
    expect(json).toMatchObject({
      token: 'runner-token',
      system_id: 's_0123456789ab',
      info: { name: 'runner-core', executor: 'instance', shell: 'bash' },
    })
    expect(json).not.toHaveProperty('last_update')
    const features = (json['info'] as typeof info).features
    expect(features).toMatchObject({
      variables: true,
      masking: true,
      two_phase_job_commit: true,
      artifacts: false,
      image: false,
    })
    expect(Object.values(features)).toHaveLength(31)
  })

  it('under the path of the URL', async () => {
    await clientFor(`${server.url}/gitlab/`).requestJob()
    expect((await server.take()).path).toBe('/gitlab/api/v4/jobs/request')
  })

  it('an update, a final one and a piece of trace', async () => {
    const client = clientFor(server.url)
    await client.updateJob(job, { state: 'running' })
    await client.updateJob(job, {
      state: 'failed',
      failureReason: 'script_failure',
      exitCode: 3,
      output: { crc32: 0xab, bytes: 5 },
    })
    await client.updateJob(job, { state: 'success', exitCode: 0, output: { crc32: 0, bytes: 0 } })
    await client.patchTrace(job, { start: 10, bytes: Buffer.from('häm'), isDebugTrace: false })
    const [running, failed, success, trace] = server.received as [Received, Received, Received, Received]
    expect(`${running.method} ${running.path}`).toBe('PUT /api/v4/jobs/7')
    expect(running.headers).toMatchObject({ 'job-token': 'job-token', 'content-type': 'application/json' })
    expect(running.json).toEqual({ info: expect.anything(), token: 'job-token', state: 'running' })
    expect(failed.json).toEqual({
      info: expect.anything(),
      token: 'job-token',
      state: 'failed',
      failure_reason: 'script_failure',
      checksum: 'crc32:000000ab',
      output: { checksum: 'crc32:000000ab', bytesize: 5 },
      exit_code: 3,
    })
    expect(success.json).toMatchObject({ state: 'success', output: { checksum: 'crc32:00000000', bytesize: 0 } })
    expect(success.json).not.toHaveProperty('exit_code')
    expect(`${trace.method} ${trace.path}`).toBe('PATCH /api/v4/jobs/7/trace?debug_trace=false')
    expect(trace.headers).toMatchObject({
      'job-token': 'job-token',
      'content-type': 'text/plain',
      'content-range': '10-13',
      'content-length': '4',
    })
    expect(trace.body).toBe('häm')
  })

  it('on kept connections', async () => {
    const client = clientFor(server.url)
    for (let count = 0; count < 10; count++) await client.updateJob(job, { state: 'running' })
    // The pool opens a second one for a request that follows on the heels of an answer.
    expect(new Set(server.received.map(({ port }) => port)).size).toBeLessThanOrEqual(2)
  })
})

describe('answers to a request for a job', () => {
  it.each([
    [204, 'none'],
    [409, 'conflict'],
    [403, 'refused'],
    [401, 'failed'],
    [422, 'failed'],
    [400, 'failed'],
    [302, 'failed'],
  ])('%i: %s', async (status, result) => {
    server.answer('request', {
      status,
      body: status === 204 ? '' : '{"message":"because"}',
      headers: { location: 'because' },
    })
    const answer = await clientFor(server.url).requestJob()
    expect(answer.result).toBe(result)
    if ('error' in answer) expect(answer.error).toMatchObject({ status, message: expect.stringContaining('because') })
  })

  it('403: the error names the server, and has the status once, which GitLab repeats in its words', async () => {
    server.answer('request', { status: 403, body: '{"message":"403 Forbidden"}' })
    expect(await clientFor(server.url).requestJob()).toMatchObject({
      error: { message: `request for a job to ${server.url}: 403 Forbidden` },
    })
  })

  it('201: the job', async () => {
    server.answer('request', { status: 201, body: jobBody })
    expect(await clientFor(server.url).requestJob()).toMatchObject({
      result: 'job',
      job: { id: 7, token: 'job-token' },
    })
  })

  it('none tells whether it is worth asking again at once: the queue changed, or the server parks', async () => {
    const client = clientFor(server.url)
    const none = (headers: Readonly<Record<string, string>>): object => ({ status: 204, headers })
    const lastUpdate = (value: string): object => none({ 'x-gitlab-last-update': value })
    const asked = async (answer: object, mayPark = true): Promise<unknown> => {
      server.answer('request', answer)
      const { result, ...rest } = await client.requestJob({ mayPark })
      expect(result).toBe('none')
      return (rest as { readonly askAgain: boolean }).askAgain
    }
    expect(await asked(none({}))).toBe(false)
    expect(await asked(lastUpdate('one'))).toBe(true)
    expect(await asked(lastUpdate('one'))).toBe(false)
    expect(await asked(lastUpdate('two'))).toBe(true)
    expect(await asked(none({}))).toBe(true) // parked, and let go without asking Rails
    expect(await asked(lastUpdate('two'))).toBe(false)
    expect(await asked(lastUpdate('three'), false)).toBe(false)
    expect(await asked(lastUpdate('three'))).toBe(false)
    expect(await asked(none({ 'x-gitlab-last-update': 'three', 'gitlab-ci-builds-polling': 'yes' }))).toBe(true)
    // From now on it is known to park, whatever the answer says, and also if this request may not be.
    expect(await asked(lastUpdate('three'))).toBe(true)
    expect(await asked(lastUpdate('three'), false)).toBe(true)
  })

  it('one that never comes is given up a minute after GitLab would have answered, and the next request is not parked', async () => {
    const clock = new ManualClock()
    const client = clientFor(server.url, { clock })
    server.answer(
      'request',
      { status: 204, headers: { 'x-gitlab-last-update': 'one' } },
      { after: new Promise(() => {}) },
    )
    await client.requestJob()
    await server.take()
    const hung = client.requestJob()
    expect((await server.take()).json).toMatchObject({ last_update: 'one' })
    await clock.advance(109_999)
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(1)
    expect(await hung).toMatchObject({
      result: 'failed',
      error: { code: 'timeout', message: expect.stringMatching(/^no answer to a request for a job in 110 s/) },
    })
    expect(await client.requestJob()).toMatchObject({ result: 'none' })
    expect((await server.take()).json).not.toHaveProperty('last_update')
    expect(clock.pendingTimers).toBe(0)
  })

  it('a server that is seen to take longer is waited for twice as long', async () => {
    const clock = new ManualClock()
    const client = clientFor(server.url, { clock })
    let answer = (): void => {}
    const after = new Promise<void>((resolve) => {
      answer = resolve
    })
    server.answer(
      'request',
      { status: 204, headers: { 'x-gitlab-last-update': 'one' } },
      { status: 204, after },
      { after: new Promise(() => {}) },
    )
    await client.requestJob()
    const slow = client.requestJob()
    for (let count = 0; count < 2; count++) await server.take()
    await clock.advance(100_000)
    answer()
    expect(await slow).toMatchObject({ result: 'none' })
    const hung = client.requestJob()
    await server.take()
    await clock.advance(199_999)
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(1)
    expect(await hung).toMatchObject({ result: 'failed', error: { code: 'timeout' } })
  })

  it('last_update is echoed from any of them, but not when the answer must come at once', async () => {
    const client = clientFor(server.url)
    server.answer(
      'request',
      { status: 204, headers: { 'x-gitlab-last-update': 'one' } },
      { status: 201, body: jobBody, headers: { 'x-gitlab-last-update': 'two' } },
      {},
    )
    for (const mayPark of [true, true, true, false, true]) await client.requestJob({ mayPark })
    expect(server.received.map(({ json }) => json['last_update'])).toEqual([undefined, 'one', 'two', undefined, 'two'])
  })
})

describe('a job that cannot be understood', () => {
  it.each([
    [
      'wrong types',
      { status: 201, body: '{"id":7,"token":"job-token","steps":[{"script":"no array"}]}' },
      'steps[0].script: expected an array, got a string',
    ],
    [
      'a wrong content type',
      { status: 201, body: jobBody, headers: { 'content-type': 'text/html' } },
      'content-type: expected application/json, got text/html',
    ],
  ])('%s: is given back as failed with the reasons', async (_, reply, problem) => {
    server.answer('request', reply)
    const answer = await clientFor(server.url).requestJob()
    expect(answer).toMatchObject({
      result: 'failed',
      error: { code: 'invalid_job', message: expect.stringContaining(problem) },
    })
    const [, running, trace, failed] = server.received as [Received, Received, Received, Received]
    expect(running.json).toMatchObject({ token: 'job-token', state: 'running' })
    expect(trace.body).toContain(problem)
    expect(failed.json).toMatchObject({
      state: 'failed',
      failure_reason: 'runner_system_failure',
      output: { bytesize: trace.body.length },
    })
    expect(server.received).toHaveLength(4)
  })

  it.each([
    '{"token":"x"}',
    '{"id":"7","token":"x"}',
    '{"id":7}',
    '{"id":7,"token":"a\\nb"}',
    'null',
    '[]',
    '"job"',
    '<html>',
    '',
  ])('%s: fails, and says why', async (body) => {
    server.answer('request', { status: 201, body })
    const answer = await clientFor(server.url).requestJob()
    expect(answer).toMatchObject({
      result: 'failed',
      error: { code: 'invalid_job', message: expect.stringMatching(/(id|token|body): expected/) },
    })
    expect(server.received).toHaveLength(1)
  })

  it('and whose server hangs: does not hold up a stop', async () => {
    const stop = new AbortController()
    server.answer('request', { status: 201, body: '{"id":7,"token":"job-token","variables":{}}' })
    server.answer('update', { after: new Promise(() => {}) })
    const answer = clientFor(server.url).requestJob({ signal: stop.signal })
    await server.take()
    await server.take()
    stop.abort(new Error('the runner stops'))
    expect(await answer).toMatchObject({ result: 'failed', error: { code: 'invalid_job' } })
    expect(server.received).toHaveLength(2)
  })

  it('and whose server is gone: still only fails', async () => {
    server.answer('request', { status: 201, body: '{"id":7,"token":"job-token","variables":{}}' })
    server.answer('update', { reset: 'before' }, { reset: 'before' })
    expect(await clientFor(server.url).requestJob()).toMatchObject({ result: 'failed', error: { code: 'invalid_job' } })
  })
})

describe('a server that says later', () => {
  /** Runs `call`, passing `ms` of the manual clock after each answer; gives back what the waits added up to. */
  async function waitsFor(
    answers: Parameters<ScriptedServer['answer']>[1][],
    wallTime = 0,
  ): Promise<{ waitedMs: number; status: number }> {
    const clock = new ManualClock()
    clock.jumpWallTime(wallTime - clock.wallTime())
    const startedAt = clock.now()
    server.answer('update', ...answers)
    const reply = clientFor(server.url, { clock }).updateJob(job, { state: 'running' })
    let done = false
    void reply.finally(() => {
      done = true
    })
    while (!done) {
      await new Promise(setImmediate)
      if (clock.pendingTimers > 0) await clock.advance(1)
    }
    return { waitedMs: clock.now() - startedAt, status: (await reply).status }
  }

  it('is asked again after ever longer pauses', async () => {
    expect(await waitsFor([{ status: 503 }, { status: 500 }, {}])).toEqual({ waitedMs: 300, status: 200 })
    expect(server.received).toHaveLength(3)
  })

  it('is asked five times at most', async () => {
    const answers = [408, 429, 502, 504, 599].map((status) => ({ status }))
    expect(await waitsFor(answers)).toEqual({ waitedMs: 1500, status: 599 })
    expect(server.received).toHaveLength(5)
  })

  it('is given the time that it asks for', async () => {
    const date = new Date(1_700_000_000_000)
    const at = (ms: number): string => new Date(date.getTime() + ms).toUTCString()
    const later = (headers: Record<string, string>) => [{ status: 429, headers: { date: '', ...headers } }, {}]
    expect(await waitsFor(later({ 'retry-after': '2' }))).toMatchObject({ waitedMs: 2000 })
    expect(await waitsFor(later({ 'retry-after': at(3000) }), date.getTime())).toMatchObject({ waitedMs: 3000 })
    expect(
      await waitsFor(later({ 'ratelimit-resettime': at(4000), 'retry-after': '2' }), date.getTime()),
    ).toMatchObject({ waitedMs: 4000 })
    expect(
      await waitsFor(later({ 'ratelimit-resettime': at(4000).replace('GMT', 'EST') }), date.getTime() + 5 * 3_600_000),
    ).toMatchObject({
      waitedMs: 4000,
    })
    expect(
      await waitsFor(later({ 'ratelimit-resettime': at(-4000), 'retry-after': '1' }), date.getTime()),
    ).toMatchObject({
      waitedMs: 1000,
    })
    expect(
      await waitsFor(later({ 'ratelimit-resettime': at(2000), date: at(0) }), date.getTime() + 999_999),
    ).toMatchObject({
      waitedMs: 2000,
    })
    expect(await waitsFor(later({ 'retry-after': 'soon' }))).toMatchObject({ waitedMs: 100 })
  })

  it('can be left while waiting', async () => {
    const clock = new ManualClock()
    const abort = new AbortController()
    server.answer('request', { status: 429, headers: { 'retry-after': '3600' } })
    const answer = clientFor(server.url, { clock }).requestJob({ signal: abort.signal })
    while (clock.pendingTimers === 0) await new Promise(setImmediate)
    abort.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('a parked request', () => {
  it('holds up nothing else, and ends when it is told to', async () => {
    const client = clientFor(server.url)
    const never = new Promise<void>(() => {})
    server.answer('request', { after: never }, { after: never })
    const abort = new AbortController()
    const parked = [client.requestJob({ signal: abort.signal }), client.requestJob({ signal: abort.signal })]
    await server.take()
    await server.take()
    expect(await client.updateJob(job, { state: 'running' })).toMatchObject({ status: 200 })
    expect(await client.requestJob()).toMatchObject({ result: 'none' })
    abort.abort(new Error('shutting down'))
    for (const request of parked) await expect(request).rejects.toThrow('shutting down')
  })

  it('is not begun when it is told so before', async () => {
    await expect(clientFor(server.url).requestJob({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    expect(server.received).toHaveLength(0)
  })
})

describe('connections that fail', () => {
  it('nobody listens', async () => {
    const client = clientFor('http://127.0.0.1:1')
    expect(await client.requestJob()).toMatchObject({ result: 'failed', error: { code: 'unreachable' } })
    await expect(client.updateJob(job, { state: 'running' })).rejects.toMatchObject({
      name: 'JobApiError',
      code: 'unreachable',
    })
  })

  it('an answer that breaks off is none', async () => {
    server.answer('request', { status: 201, body: jobBody, headers: { 'content-length': '100' }, reset: 'inBody' })
    expect(await clientFor(server.url).requestJob()).toMatchObject({ result: 'failed', error: { code: 'unreachable' } })
    expect(server.received).toHaveLength(1)
  })

  it('a kept connection that ends just then costs nothing', async () => {
    const client = clientFor(server.url)
    server.answer('update', {}, { reset: 'before' }, {})
    await client.updateJob(job, { state: 'running' })
    expect(await client.updateJob(job, { state: 'running' })).toMatchObject({ status: 200 })
    expect(server.received).toHaveLength(3)
  })

  it('twice is a failure', async () => {
    server.answer('update', { reset: 'before' }, { reset: 'before' })
    await expect(clientFor(server.url).updateJob(job, { state: 'running' })).rejects.toMatchObject({
      code: 'unreachable',
    })
  })

  it('a slow answer is waited for, a missing one is not', async () => {
    const client = clientFor(server.url, { callTimeoutMs: 300 })
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    server.answer('update', { after: released }, { after: new Promise(() => {}) })
    const slow = client.updateJob(job, { state: 'running' })
    await server.take()
    release()
    expect(await slow).toMatchObject({ status: 200 })
    await expect(client.updateJob(job, { state: 'running' })).rejects.toMatchObject({ code: 'timeout' })
  })
})

describe('TLS', () => {
  const pem = (name: string): Buffer => readFileSync(tlsFile(name))

  async function startTls(options: { requestCert?: boolean } = {}): Promise<ScriptedServer> {
    const tlsServer = await ScriptedServer.start({
      key: pem('server.key'),
      cert: pem('server.pem'),
      ca: pem('ca.pem'),
      ...options,
    })
    opened.push(tlsServer)
    return tlsServer
  }

  it('trusts the configured authority, and without it nobody unknown', async () => {
    const { port } = await startTls()
    const url = `https://127.0.0.1:${port}`
    expect(await clientFor(url, { tlsCaFile: tlsFile('ca.pem') }).requestJob()).toMatchObject({ result: 'none' })
    expect(await clientFor(url).requestJob()).toMatchObject({ result: 'failed', error: { code: 'untrusted' } })
    expect(await clientFor(`https://127.0.0.2:${port}`, { tlsCaFile: tlsFile('ca.pem') }).requestJob()).toMatchObject({
      result: 'failed',
    })
  })

  it('shows the client certificate', async () => {
    const { port } = await startTls({ requestCert: true })
    const url = `https://127.0.0.1:${port}`
    const withCertificate = {
      tlsCaFile: tlsFile('ca.pem'),
      tlsCertFile: tlsFile('client.pem'),
      tlsKeyFile: tlsFile('client.key'),
    }
    expect(await clientFor(url, withCertificate).requestJob()).toMatchObject({ result: 'none' })
    expect(await clientFor(url, { tlsCaFile: tlsFile('ca.pem') }).requestJob()).toMatchObject({ result: 'failed' })
  })

  it.each([
    [{ tlsCaFile: '/does/not/exist.pem' }, '/does/not/exist.pem cannot be read'],
    [{ tlsCaFile: tlsFile('README.md') }, 'contains no PEM'],
    [{ tlsCertFile: tlsFile('client.pem'), tlsKeyFile: tlsFile('server.key') }, 'the TLS files cannot be used'],
  ])('says what is wrong with the files: %o', (options, message) => {
    expect(() => clientFor('https://127.0.0.1:1', options)).toThrow(
      expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining(message) }),
    )
  })

  it('goes through a proxy in a tunnel', async () => {
    const target = await startTls()
    await using proxy = await startForwardProxy(target.port)
    const client = clientFor('https://coordinator.test', {
      tlsCaFile: tlsFile('ca.pem'),
      environment: { HTTPS_PROXY: `http://me:p%40ss@${proxy.url}` },
    })
    expect(await client.requestJob()).toMatchObject({ result: 'none' })
    expect(await client.updateJob(job, { state: 'running' })).toMatchObject({ status: 200 })
    expect(proxy.asked[0]).toEqual({ line: 'CONNECT coordinator.test:443', authorization: `Basic ${btoa('me:p@ss')}` })
    await client.close()
  })
})

describe('a proxy for plain HTTP', () => {
  it('is asked for whole URLs', async () => {
    await using proxy = await startForwardProxy(server.port)
    const client = clientFor('http://coordinator.test:8080/', { environment: { http_proxy: `me:secret@${proxy.url}` } })
    expect(await client.requestJob()).toMatchObject({ result: 'none' })
    expect(proxy.asked).toEqual([
      { line: 'POST http://coordinator.test:8080/api/v4/jobs/request', authorization: `Basic ${btoa('me:secret')}` },
    ])
    expect((await server.take()).headers.host).toBe('coordinator.test:8080')
    await client.close()
  })
})

it('a proxy that is no URL is said to be none, without its password', () => {
  const environment = { HTTP_PROXY: 'http://me:hush@[' }
  try {
    clientFor('http://coordinator.test', { environment })
    expect.unreachable()
  } catch (error) {
    expect(inspect(error)).toContain('the proxy in the environment is not a URL')
    expect(inspect(error)).not.toContain('hush')
  }
})

it.each(['', 'coordinator', 'ftp://coordinator', 'unix:///x'])('a URL that is none: %j', (url) => {
  expect(() => clientFor(url)).toThrow(expect.objectContaining({ name: 'JobApiError', code: 'invalid_config' }))
})
