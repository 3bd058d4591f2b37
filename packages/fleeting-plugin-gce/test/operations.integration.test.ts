import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test, vi } from 'vitest'
import { ComputeClient } from '../src/client.ts'
import { parseConfig } from '../src/config.ts'

const never = new AbortController().signal
const operation = { name: 'operation-1' }

/** What the service answers to a deletion, and then to each wait for it; the last answer again and again. */
async function deletion(
  answers: readonly object[],
  clock: ManualClock,
): Promise<{ deleting: Promise<unknown>; paths: string[] }> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/computeMetadata/')) {
      const token = { access_token: 'token', expires_in: 3600, token_type: 'Bearer' }
      return void response
        .writeHead(200, { 'metadata-flavor': 'Google', 'content-type': 'application/json' })
        .end(JSON.stringify(token))
    }
    paths.push(`${request.method} ${request.url}`)
    const answer = answers[Math.min(paths.length, answers.length) - 1]
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${port}`)
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '')
  for (const name of ['HOME', 'CLOUDSDK_CONFIG']) vi.stubEnv(name, '/nonexistent')
  const config = parseConfig({ name: 'runners', project: 'p', zone: 'z', endpoint: `http://127.0.0.1:${port}` })
  const deleting = new ComputeClient(config, clock).deleteInstances(['a'], never).finally(() => {
    vi.unstubAllEnvs()
    server.close()
    server.closeAllConnections()
  })
  deleting.catch(() => {})
  return { deleting, paths }
}

async function pass(clock: ManualClock, timers: number, ms: number): Promise<void> {
  await vi.waitFor(() => expect(clock.pendingTimers).toBe(timers), { timeout: 10_000, interval: 2 })
  await clock.advance(ms)
}

test('a wait that answers too early is repeated, until the operation is done', async () => {
  const clock = new ManualClock()
  const running = { ...operation, status: 'RUNNING' }
  const { deleting, paths } = await deletion([running, running, { ...operation, status: 'DONE' }], clock)
  await pass(clock, 2, 250)
  await deleting
  const wait = 'POST /compute/v1/projects/p/zones/z/operations/operation-1/wait'
  expect(paths.slice(1)).toEqual([wait, wait])
})

test('an operation that takes long counts as accepted, and leaves no timer', async () => {
  const clock = new ManualClock()
  const { deleting } = await deletion([{ ...operation, status: 'RUNNING' }], clock)
  let isDone = false
  void deleting.then(() => (isDone = true))
  while (!isDone) await pass(clock, 2, 250).catch(() => {})
  expect(clock.now()).toBe(1_010_000)
  expect(clock.pendingTimers).toBe(0)
})

test.each([
  [{ error: { errors: [{ code: 'QUOTA_EXCEEDED', message: 'm' }] } }, 'quota'],
  [{ httpErrorStatusCode: 404, httpErrorMessage: 'NOT FOUND' }, 'not_found'],
])('an operation that ended with %j is an error, although the answer is no refusal', async (end, code) => {
  const clock = new ManualClock()
  const { deleting } = await deletion(
    [
      { ...operation, status: 'PENDING' },
      { ...operation, status: 'DONE', ...end },
    ],
    clock,
  )
  await expect(deleting).rejects.toMatchObject({ code, message: expect.stringMatching(/^deleting 1 instances: /) })
})
