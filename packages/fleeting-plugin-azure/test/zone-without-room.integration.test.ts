// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@azure/arm-compute'
import '@azure/identity'
import '../src/sdk.ts'
import { azureRateLimits, type FakeAzureOptions } from '@runner-core/cloud-fakes'
import { startScaler, waitsOf } from '@runner-core/testkit/clouds/stepped-scaler'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { describe, expect, test } from 'vitest'
import { AzureCloud } from './azure-cloud.ts'

const lags = { appearMs: 2000, bootMs: 40_000, deleteMs: 10_000 }
const zones = ['1', '2', '3']
const jobs = 10
const { signal } = new AbortController()
const resize = 'VirtualMachineScaleSets_Update'

/** How long each of some jobs waits for its slot, and what the set was asked for meanwhile. */
async function serve(options: Partial<FakeAzureOptions>, fullZones: readonly string[], forMs: number) {
  const time = new SteppedTime()
  const { clock } = time
  await using cloud = await AzureCloud.start({ clock, lags, zones, rateLimits: azureRateLimits, ...options })
  const { fake } = cloud
  fake.settings.fullZones = fullZones
  const scaler = await startScaler(time, { group: cloud.group({}, { clock }), controls: fake.controls })
  const waits = await waitsOf(time, scaler, jobs, forMs)
  const resizes = fake.controls.calls!().filter(({ operation }) => operation === resize).length
  return { waits, resizes, machines: fake.controls.machines().length, size: fake.capacity }
}

describe.each(['Uniform', 'Flexible'] as const)('a %s set over three zones', (mode) => {
  test('of which one never has room launches in the others, undisturbed', { timeout: 60_000 }, async () => {
    const served = await serve({ mode, listLagMs: 3000, zoneRetryMs: 60_000 }, ['1'], 300_000)
    expect(served).toMatchObject({ resizes: 1, machines: jobs, size: jobs })
    expect(served.waits).toHaveLength(jobs)
    expect(Math.max(...served.waits)).toBeLessThan(60_000 + lags.appearMs + lags.bootMs + 30_000)
  })

  describe.each(['failed machines', 'nothing'] as const)('whose failed launches leave %s', (failedLaunches) => {
    test('serves what the zones with room give, and never has a machine too many, where Azure tries no other zone', {
      timeout: 60_000,
    }, async () => {
      const served = await serve({ mode, failedLaunches, withoutRoom: 'failed' }, ['1'], 600_000)
      expect(served.waits).toHaveLength(6)
      expect(Math.max(...served.waits)).toBeLessThan(lags.appearMs + lags.bootMs + 10_000)
      expect(served.machines).toBeLessThanOrEqual(jobs)
      expect(served.size).toBeLessThanOrEqual(jobs)
    })

    test.each<[string, Partial<FakeAzureOptions>, readonly string[], number]>([
      ['one zone is full and Azure tries no other', { withoutRoom: 'failed' }, ['1'], 1],
      ['two zones are full, which ends launches in the third too', {}, ['1', '3'], 3],
    ])('says that there is no capacity when %s', async (_why, options, fullZones, failures) => {
      await using cloud = await AzureCloud.start({ mode, zones, failedLaunches, ...options })
      cloud.fake.settings.fullZones = fullZones
      const group = cloud.group()
      await group.init(signal)
      await group.increase({ count: 3, launchToken: 'three' }, signal)
      const failed = (await group.list(signal)).filter(({ state }) => state === 'failed')
      expect(failed).toHaveLength(failures)
      for (const { error } of failed)
        expect(error).toMatchObject({ code: 'capacity', message: expect.stringContaining('ZonalAllocationFailed') })
      await group.shutdown()
    })
  })

  test('that balances strictly launches nothing while one is full, and the start says so', async () => {
    await using cloud = await AzureCloud.start({ mode, zones })
    cloud.fake.settings.fullZones = ['2']
    cloud.fake.controls.misconfigurations!.get('zone_balance_strict')!()
    const group = cloud.group()
    expect(((await group.init(signal)).findings ?? []).map(({ code }) => code)).toEqual(['zone_balance_strict'])
    await group.increase({ count: 3, launchToken: 'three' }, signal)
    expect((await group.list(signal)).map(({ state }) => state)).toEqual(['failed', 'failed', 'failed'])
    await group.shutdown()
  })
})
