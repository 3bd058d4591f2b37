import { readFileSync } from 'node:fs'
import { systemClock, systemRandom } from '@runner-core/fleeting'
import { runConformance } from '@runner-core/fleeting/testing'
import { describe, expect, it } from 'vitest'
import type { Exchange } from '../../cloud-fakes/src/index.ts'
import { evidenceOf, python, pythonMissing, validate } from '../../cloud-fakes/test/gce-discovery.ts'
import { createSshConnector } from '../../fleeting/src/index.ts'
import { startFakeCloud } from './fake-cloud.ts'

const port = 22_023

describe.skipIf(python === undefined)(`GCE and Google's discovery document${python === undefined ? ` (${pythonMissing})` : ''}`, () => {
  it.each([
    ['zone', {}],
    ['region', { region: 'europe-west1' }],
  ])('every exchange of a whole conformance run in a %s is as it says', async (scope, where) => {
    const exchanges: Exchange[] = []
    const onExchange = (exchange: Exchange): number => exchanges.push(exchange)
    await using cloud = await startFakeCloud({ port, onExchange, lags: { appearMs: 20, bootMs: 40, deleteMs: 20 }, ...where })
    const connector = createSshConnector({ connector: { protocolPort: port }, clock: systemClock, random: systemRandom })
    const { outcomes, passed } = await runConformance(() => cloud.makeGroup({ max_size: 3 }), {
      maxInstances: 3,
      patienceMs: 20_000,
      pollMs: 20,
      connect: (info, signal) => connector.connect(info, signal),
      cloud: () => cloud.fake.hand,
    })
    expect(outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    expect(passed).toBeGreaterThan(50)

    const { problems, operations } = validate(exchanges.flatMap((exchange) => evidenceOf(exchange) ?? []))
    // The suite shows the plugin a state that nobody has heard of: that must be found, and nothing else.
    const unheardOf = problems.filter((problem) => /managedInstances\[\d\]\.instanceStatus: expected one of/.test(problem))
    expect(unheardOf).not.toEqual([])
    expect(problems.filter((problem) => !unheardOf.includes(problem))).toEqual([])
    const groups = scope === 'zone' ? 'instanceGroupManagers' : 'regionInstanceGroupManagers'
    for (const method of ['get', 'listManagedInstances', 'createInstances', 'deleteInstances']) {
      expect(operations).toHaveProperty([`${groups}.${method}`])
    }
  })

  it.each([
    ['instance-template.json', 'InstanceTemplate'],
    ['instance-group-manager.json', 'InstanceGroupManager'],
    ['region-instance-group-manager.json', 'InstanceGroupManager'],
  ])('setup/%s is an %s', (file, schema) => {
    const value: unknown = JSON.parse(readFileSync(new URL(`../setup/${file}`, import.meta.url), 'utf8'))
    expect(validate([{ schema, value }]).problems).toEqual([])
  })
})
