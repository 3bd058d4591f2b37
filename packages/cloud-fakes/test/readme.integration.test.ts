import { awsRateLimits, FakeAws } from '@runner-core/cloud-fakes'
import { silentLogger } from '@runner-core/fleeting'
import { ManualClock, seededRandom } from '@runner-core/fleeting/testing'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-aws'
import { expect, test } from 'vitest'

test('a throttled list says so, and two machines that are lost are no longer shown', async () => {
  const clock = new ManualClock()
  const lags = { appearMs: 1000, bootMs: 30_000, deleteMs: 5000 }
  await using fake = await FakeAws.start({ clock, lags, maxSize: 10, rateLimits: awsRateLimits })

  // The plugin under test, as an operator would configure it.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
  const context = { fleet: 'test', connector: {}, logger: silentLogger, clock, random: seededRandom(1) }
  const group = createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url }, context)
  const signal = AbortSignal.timeout(30_000)
  await group.init(signal)

  // Faults are met by every call of the kind, until the cloud is healed or they have been met `times` times.
  fake.controls.inject?.({ kind: 'throttled', on: 'list' })
  await expect(group.list(signal)).rejects.toMatchObject({ code: 'throttled' })
  fake.controls.heal?.()

  // Nothing happens in this cloud but what was asked for, and what the clock brings.
  await group.increase({ count: 3, launchToken: 'a' }, signal)
  await clock.advance(10_000)
  expect((await group.list(signal)).map(({ state }) => state)).toEqual(['creating', 'creating', 'creating'])
  await clock.advance(25_000)
  const [first, second, third] = await group.list(signal)
  expect(third?.state).toBe('running')

  // What other people and bad luck do.
  await fake.controls.kill?.(first!.id)
  fake.controls.setState?.(second!.id, 'Terminating:Wait')
  expect((await group.list(signal)).filter(({ state }) => state === 'running').map(({ id }) => id)).toEqual([third!.id])

  // What it cost: every request, with the rate limit that it drew from.
  const costs: Record<string, number> = {}
  for (const { bucket, cost } of fake.controls.calls?.() ?? []) costs[bucket] = (costs[bucket] ?? 0) + cost
  // The owner's tag at the start; the launch's, and the raise.
  expect(costs['autoscaling:write']).toBe(3)
  expect(costs['autoscaling:read']).toBeLessThan(30)
  await group.shutdown()
})
