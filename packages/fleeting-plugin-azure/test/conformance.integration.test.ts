import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { afterAll } from 'vitest'
import { AzureCloud } from './azure-cloud.ts'

const lags = { appearMs: 20, bootMs: 60, deleteMs: 40 }

for (const [mode, failedLaunches] of [
  ['Uniform', 'failed machines'],
  ['Flexible', 'nothing'],
] as const) {
  const starting = AzureCloud.startReal({ mode, failedLaunches, lags, pageSize: 2 })
  afterAll(async () => (await starting)[Symbol.asyncDispose]())
  describeInstanceGroup(`azure on its fake: ${mode}, failed launches leave ${failedLaunches}`, async () => (await starting).group(), {
    cloud: async () => (await starting).fake.hand,
    connect: async (info, signal) => (await starting).connect(info, signal),
    patienceMs: 20_000,
    pollMs: 20,
  })
}
