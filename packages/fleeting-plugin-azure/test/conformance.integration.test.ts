import { ConformanceRun, conformanceCases, runCases } from '@runner-core/fleeting/testing'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { afterAll, expect, test } from 'vitest'
import { AzureCloud } from './azure-cloud.ts'

/** What Azure may do at any time. A list is less late than a launch takes. */
const unkind = { pageSize: 2, capacityLagMs: 400, listLagMs: 60, zones: ['1', '2', '3'], zoneRetryMs: 200 }
const lags = { appearMs: 20, staggerMs: 60, bootMs: 60, deleteMs: 40 }

for (const [mode, failedLaunches] of [
  ['Uniform', 'failed machines'],
  ['Flexible', 'nothing'],
] as const) {
  const starting = AzureCloud.startReal({ mode, failedLaunches, lags, ...unkind }).then((cloud) => {
    cloud.fake.settings.fullZones = ['1']
    return cloud
  })
  afterAll(async () => (await starting)[Symbol.asyncDispose]())
  describeInstanceGroup(
    `azure on its fake: ${mode}, failed launches leave ${failedLaunches}`,
    async () => (await starting).group(),
    {
      cloud: async () => (await starting).fake.controls,
      connect: async (info, signal) => (await starting).connect(info, signal),
      patienceMs: 20_000,
      pollMs: 20,
    },
  )
}

// Only these need a set that may be filled: a single placement group has at most 100 machines, and here no computers
// behind them.
test.each(['Uniform', 'Flexible'] as const)('azure on its fake: the cases that fill a whole %s set', async (mode) => {
  await using cloud = await AzureCloud.start({ mode, lags })
  cloud.fake.controls.misconfigurations!.get('single_placement_group')!()
  const cases = conformanceCases.filter(({ needs }) => needs?.wholeGroup)
  const options = { cloud: cloud.fake.controls, maxInstances: 100, patienceMs: 20_000, pollMs: 20 }
  const { outcomes } = await runCases(await ConformanceRun.start(() => cloud.group(), options), { cases })
  expect(outcomes.map(({ name, outcome }) => [outcome, name])).toEqual([
    ['passed', 'increase beyond the maximum accepts what fits and returns a quota error for the rest'],
    ['passed', 'nothing is left, and the group shuts down'],
  ])
})
