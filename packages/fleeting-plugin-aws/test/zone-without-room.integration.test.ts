// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@aws-sdk/client-auto-scaling'
import '@aws-sdk/client-ec2'
import { awsRateLimits, FakeAws, type FakeAwsOptions } from '@runner-core/cloud-fakes'
import { silentLogger } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { seededRandom } from '@runner-core/fleeting/testing'
import { startScaler, waitsOf } from '@runner-core/testkit/clouds/stepped-scaler'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const lags = { appearMs: 2000, bootMs: 40_000, deleteMs: 10_000 }
/** What the group needs by itself: a failed try, another one 15 s later, and the boot. */
const leftAloneMs = 15_000 + lags.appearMs + lags.bootMs
const jobs = 10

/** How long each of some jobs waits for its slot, and what the group was asked for meanwhile. */
async function serve(options: Partial<FakeAwsOptions>, set: (fake: FakeAws) => void, forMs: number) {
  const time = new SteppedTime()
  const { clock } = time
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
  await using fake = await FakeAws.start({ clock, lags, maxSize: 50, rateLimits: awsRateLimits, ...options })
  set(fake)
  const { privateKey } = await newKeyPair()
  const context = { logger: silentLogger, clock, random: seededRandom(1) }
  const group = createInstanceGroup(
    { name: 'runners', region: 'eu-west-1', endpoint: fake.url },
    { fleet: 'zones', connector: { privateKey, useStaticCredentials: true }, ...context },
  )
  const scaler = await startScaler(time, { group, controls: fake.controls })
  const waits = await waitsOf(time, scaler, jobs, forMs)
  const resizes = fake.controls.calls!().filter(({ operation }) => operation === 'SetDesiredCapacity').length
  return { waits, resizes, machines: fake.controls.machines().length, desired: fake.desiredCapacity }
}

test('an Auto Scaling group with a zone that never has room launches in the other one, undisturbed', {
  timeout: 60_000,
}, async () => {
  const served = await serve({}, (fake) => Object.assign(fake.settings, { fullZones: ['eu-west-1a'] }), 150_000)
  expect(served).toMatchObject({ resizes: 1, machines: jobs, desired: jobs })
  expect(served.waits).toHaveLength(jobs)
  expect(Math.max(...served.waits)).toBeLessThan(leftAloneMs + 10_000)
})

test('so does one that launches in waves, in three zones of which two are full', { timeout: 60_000 }, async () => {
  const zones = ['eu-west-1a', 'eu-west-1b', 'eu-west-1c']
  const set = (fake: FakeAws) => Object.assign(fake.settings, { zones, fullZones: zones.slice(0, 2) })
  const served = await serve({ launchWaves: { size: 4, everyMs: 5000 } }, set, 300_000)
  expect(served).toMatchObject({ resizes: 1, machines: jobs, desired: jobs })
  expect(served.waits).toHaveLength(jobs)
})

test('so does one on a day when the lists are late, pages short and launches slow too', {
  timeout: 60_000,
}, async () => {
  const unkind = {
    launchWaves: { size: 4, everyMs: 5000 },
    listLagMs: 5000,
    activitiesPageSize: 10,
    pageSize: 2,
    facts: { readLagMs: 3000 },
  }
  const served = await serve(unkind, (fake) => Object.assign(fake.settings, { fullZones: ['eu-west-1a'] }), 300_000)
  expect(served).toMatchObject({ resizes: 1, machines: jobs, desired: jobs })
  expect(served.waits).toHaveLength(jobs)
  expect(Math.max(...served.waits)).toBeLessThan(leftAloneMs + 60_000)
})
