// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '../src/regional-group.ts'
import '../src/sdk.ts'
import '../src/zonal-group.ts'
import { Managers } from '@runner-core/testkit/clouds/managers'
import { expectOneOwner } from '@runner-core/testkit/clouds/two-managers'
import { expect, test } from 'vitest'
import { startFakeCloud } from './fake-cloud.ts'

test.each([
  ['a zone', {}],
  ['a region', { region: 'europe-west1' }],
])(
  'a group in %s belongs to the manager whose owner stands in its description, beside what people wrote',
  async (_where, options) => {
    const managers = new Managers()
    const { clock } = managers.time
    const lags = { appearMs: 1000, bootMs: 20_000, deleteMs: 5000 }
    await using cloud = await startFakeCloud({ clock, lags, ...options })
    cloud.fake.settings.description = 'of team CI'
    await expectOneOwner(managers, { fake: cloud.fake, group: () => cloud.makeGroup({}, { clock }) })
    expect(cloud.fake.settings.description).toMatch(
      /^of team CI \[runner-core-owner: \S+ 1 1970-\S+ a fleet without a name\]$/,
    )
  },
)

test('a group whose fingerprint is late is claimed by the manager that starts right after another one', async () => {
  const managers = new Managers()
  const { clock } = managers.time
  await using cloud = await startFakeCloud({ clock, fingerprintLagMs: 5000 })
  const managed = { fake: cloud.fake, group: () => cloud.makeGroup({}, { clock }) }
  await managers.start(managed)
  await managers.start(managed)
  expect(cloud.fake.settings.description).toMatch(/^\[runner-core-owner: \S+ 2 1970-/)
})
