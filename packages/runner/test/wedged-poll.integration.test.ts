import { silentLogger, systemClock } from '@runner-core/fleeting'
import type { JobPayload } from '@runner-core/job'
import { expect, test } from 'vitest'
import { JobApiClient } from '../src/gitlab/job-api-client.ts'
import { describeRunner } from '../src/gitlab/runner-info.ts'
import { JobPoller } from '../src/jobs/job-poller.ts'
import { ScriptedServer } from './scripted-server.ts'

// actions-runner-controller 3953 and 4600, GARM 700: the poll for jobs was wedged, and there was no service at all
// until somebody noticed. Here it is the socket that falls silent, so it is played with real ones: the request is given
// up after its deadline, and the next one brings the job. Without the deadline, as others were made, this never ends.
test('wedged long poll: a request for a job that is never answered is given up, and the next one brings the job', async () => {
  await using server = await ScriptedServer.start()
  server.answer(
    'request',
    { after: new Promise(() => {}) },
    { status: 201, body: JSON.stringify({ id: 7, token: 'token', steps: [] }) },
  )
  const info = describeRunner({ version: '1', executor: 'instance', shell: 'sh', features: [] })
  const client = new JobApiClient({
    url: server.url,
    token: 'glrt',
    systemId: 's_1',
    info,
    environment: {},
    pollTimeoutMs: 300,
  })
  const jobs: JobPayload[] = []
  const poller = new JobPoller<JobPayload>({
    rules: {
      checkIntervalMs: 50,
      requestConcurrency: 1,
      unhealthyRequestsLimit: 3,
      strictCheckInterval: false,
      unhealthyIntervalMs: 60_000,
    },
    bounds: [],
    reserve: () => ({ key: 'k', kind: 'slot', readyAt: 0, priority: 0, speculative: true, [Symbol.dispose]: () => {} }),
    onCapacity: () => () => {},
    ask: (request) => client.requestJob(request),
    work: async (job) => void jobs.push(job),
    clock: systemClock,
    logger: silentLogger,
  })
  poller.wake()
  await expect.poll(() => jobs.map(({ id }) => id), { timeout: 30_000 }).toEqual([7])
  expect(poller.counters.requestFailures).toBe(1)
  await poller.stop()
  await client.close()
})
