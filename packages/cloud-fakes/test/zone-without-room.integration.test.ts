// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@aws-sdk/client-auto-scaling'
import '@aws-sdk/client-ec2'
import { newKeyPair, Provisioner, silentLogger, withCallBudget } from '@runner-core/fleeting'
import { seededRandom } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../../fleeting-plugin-aws/src/index.ts'
import { Taskscaler } from '../../taskscaler/src/index.ts'
import { connection } from '../bench/connection.ts'
import { SteppedTime } from '../bench/stepped-time.ts'
import { awsRateLimits, FakeAws, type FakeAwsOptions } from '../src/index.ts'

const lags = { appearMs: 2000, bootMs: 40_000, deleteMs: 10_000 }
/** What the group needs by itself: a failed try, another one 15 s later, and the boot. */
const leftAloneMs = 15_000 + lags.appearMs + lags.bootMs
const jobs = 10
const never = new AbortController().signal

/** How long each of some jobs waits for its slot, and what the group was asked for meanwhile. */
async function serve(options: Partial<FakeAwsOptions>, set: (fake: FakeAws) => void, forMs: number) {
  const time = new SteppedTime()
  const { clock } = time
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
  await using fake = await FakeAws.start({ clock, lags, maxSize: 50, rateLimits: awsRateLimits, ...options })
  set(fake)
  const { privateKey } = await newKeyPair()
  const context = { logger: silentLogger, clock, random: seededRandom(1) }
  const plugin = createInstanceGroup(
    { name: 'runners', region: 'eu-west-1', endpoint: fake.url },
    { fleet: 'zones', connector: { privateKey, useStaticCredentials: true }, ...context },
  )
  const group = withCallBudget(time.watch(plugin, fake.hand), context)
  const connector = { connect: async () => connection }
  const provisioner = await time.until(Provisioner.start({ group, connector, maxInstances: 50, ...context }, never))
  const scaler = await time.until(Taskscaler.start({ provisioner, onDispose: 'keep-instances', clock }, never))
  const waits: number[] = []
  for (let job = 0; job < jobs; job += 1) {
    const askedAt = clock.now()
    void scaler
      .acquire(scaler.reserve())
      .then((acquisition) => acquisition.connect())
      .then(() => waits.push(clock.now() - askedAt))
      .catch(() => {})
  }
  await time.pass(forMs)
  await time.until(scaler.shutdown({ removeInstances: false }))
  const resizes = fake.hand.calls!().filter(({ operation }) => operation === 'SetDesiredCapacity').length
  return { waits, resizes, machines: fake.hand.machines().length, desired: fake.desiredCapacity }
}

test('an Auto Scaling group with a zone that never has room launches in the other one, undisturbed', { timeout: 60_000 }, async () => {
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

test('so does one on a day when the lists are late, pages short and launches slow too', { timeout: 60_000 }, async () => {
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
