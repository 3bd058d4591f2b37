import { FakeAws, type FakeAwsOptions, RealMachines } from '@runner-core/cloud-fakes'
import { type InstanceGroup, systemRandom as random, silentLogger, systemClock } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { createInstanceGroup } from '../src/index.ts'

/**
 * A fake AWS whose instances are real machines with one key, and groups of the plugin on it. The clock of `options` is
 * the cloud's and the plugin's; the machines live in real time.
 */
export interface FakeFleet extends AsyncDisposable {
  readonly fake: FakeAws
  makeGroup(config?: Readonly<Record<string, unknown>>): InstanceGroup
}

/**
 * What AWS may do at any time. A suite does in a minute what takes others an hour, and 50 pages of its activities must
 * hold ten minutes.
 */
// Its size is read at once: one that is raised and lowered again before any read shows it counts as ours for minutes,
// and in a suite somebody else soon writes the same.
const reads = { activitiesPageSize: 10, pageSize: 2, listLagMs: 100 }
const unkind = { zoneRetryMs: 200, launchWaves: { size: 2, everyMs: 100 }, ...reads }

export async function startFakeFleet({
  clock = systemClock,
  ...options
}: Partial<FakeAwsOptions> = {}): Promise<FakeFleet> {
  const { privateKey } = await newKeyPair()
  const context = { fleet: 'test', logger: silentLogger, clock, random }
  const local = createLocalGroup({}, { ...context, clock: systemClock, connector: { privateKey } })
  await local.init(AbortSignal.timeout(10_000))
  const protocolPort = 20_000 + Math.floor(random() * 10_000)
  const real = new RealMachines({ group: local, clock: systemClock, port: protocolPort })
  const lags = { appearMs: 10, bootMs: 20, deleteMs: 20 }
  const fake = await FakeAws.start({ clock, lags, real, maxSize: 3, launchRetryMs: 5000, ...unkind, ...options })
  // The default chain of the SDK finds them, as it would an operator's.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
  const connector = { privateKey, protocolPort, username: 'runner' }
  return {
    fake,
    makeGroup: (config = {}) =>
      createInstanceGroup(
        { name: 'runners', region: 'eu-west-1', endpoint: fake.url, ...config },
        { ...context, connector },
      ),
    async [Symbol.asyncDispose]() {
      await fake[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
      await local.shutdown()
    },
  }
}
