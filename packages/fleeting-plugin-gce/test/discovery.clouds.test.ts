import { readFileSync } from 'node:fs'
import type { Exchange } from '@runner-core/cloud-fakes'
import { systemClock, systemRandom } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { runConformance } from '@runner-core/fleeting/testing'
import { type Evidence, evidenceOf, python, pythonMissing, validate } from '@runner-core/testkit/clouds/gce-discovery'
import { describe, expect, it } from 'vitest'
import { type FakeCloud, startFakeCloud } from './fake-cloud.ts'

const port = 22_023

describe.skipIf(python === undefined)(
  `GCE and Google's discovery document${python === undefined ? ` (${pythonMissing})` : ''}`,
  () => {
    it.each([
      ['zone', {}],
      ['region', { region: 'europe-west1' }],
    ])('every exchange of a whole conformance run in a %s is as it says', async (scope, where) => {
      const exchanges: Exchange[] = []
      const onExchange = (exchange: Exchange): number => exchanges.push(exchange)
      const lags = { appearMs: 20, bootMs: 40, deleteMs: 20 }
      await using cloud = await startFakeCloud({ port, onExchange, lags, zoneRetryMs: 200, ...where })
      const connector = createSshConnector({
        connector: { protocolPort: port },
        clock: systemClock,
        random: systemRandom,
      })
      const { outcomes, passed } = await runConformance(() => cloud.makeGroup({ max_size: 3 }), {
        maxInstances: 3,
        patienceMs: 20_000,
        pollMs: 20,
        connect: (info, signal) => connector.connect(info, signal),
        cloud: () => cloud.fake.controls,
      })
      expect(outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
      expect(passed).toBeGreaterThan(50)

      const { problems, operations } = validate(exchanges.flatMap((exchange) => evidenceOf(exchange) ?? []))
      // The suite shows the plugin a state that nobody has heard of: that must be found, and nothing else.
      const unheardOf = problems.filter((problem) =>
        /managedInstances\[\d\]\.instanceStatus: expected one of/.test(problem),
      )
      expect(unheardOf).not.toEqual([])
      expect(problems.filter((problem) => !unheardOf.includes(problem))).toEqual([])
      const groups = scope === 'zone' ? 'instanceGroupManagers' : 'regionInstanceGroupManagers'
      for (const method of ['get', 'patch', 'listManagedInstances', 'createInstances', 'deleteInstances']) {
        expect(operations).toHaveProperty([`${groups}.${method}`])
      }
    })

    it.each([
      ['zone', {}],
      ['region', { region: 'europe-west1' }],
    ])(
      'every operation of the plugin in a %s is used, and each name in it, spelt otherwise, is found',
      async (scope, where) => {
        const exchanges: Exchange[] = []
        const onExchange = (exchange: Exchange): number => exchanges.push(exchange)
        await using cloud = await startFakeCloud({
          onExchange,
          hostKeys: () => ['ssh-ed25519 AAAAC3Nz'],
          lags: { appearMs: 20 },
          ...where,
        })
        await useAll(cloud)

        const evidence = exchanges.flatMap((exchange) => evidenceOf(exchange) ?? [])
        const { problems, operations } = validate(evidence)
        expect(problems).toEqual([])
        const groups = scope === 'zone' ? 'instanceGroupManagers' : 'regionInstanceGroupManagers'
        expect(new Set(Object.keys(operations))).toEqual(
          new Set([
            ...['get', 'patch', 'listManagedInstances', 'createInstances', 'deleteInstances'].map(
              (method) => `${groups}.${method}`,
            ),
            ...['get', 'list', 'setMetadata', 'getGuestAttributes'].map((method) => `instances.${method}`),
            'projects.get',
            'instanceTemplates.get',
            `${scope}Operations.wait`,
          ]),
        )

        const misspelt = evidence.flatMap((entry) => misspellings(entry))
        expect(misspelt.length).toBeGreaterThan(200)
        const found = new Set(validate(misspelt).problems.map((problem) => Number(problem.split(':')[0])))
        expect(misspelt.filter((_, index) => !found.has(index + 1))).toEqual([])
      },
    )

    it.each([
      ['instance-template.json', 'InstanceTemplate'],
      ['instance-group-manager.json', 'InstanceGroupManager'],
      ['region-instance-group-manager.json', 'InstanceGroupManager'],
      ['role.json', 'iam.v1 Role'],
    ])('setup/%s is an %s', (file, schema) => {
      const value: unknown = JSON.parse(readFileSync(new URL(`../setup/${file}`, import.meta.url), 'utf8'))
      expect(validate([{ schema, value }]).problems).toEqual([])
    })
  },
)

/** One of each call that the plugin has. */
async function useAll(cloud: FakeCloud): Promise<void> {
  const signal = AbortSignal.timeout(60_000)
  const group = cloud.makeGroup({ ssh_keys: 'metadata' })
  await group.init(signal)
  await group.claim!({ id: 'here', name: 'fleet test', epoch: 1, since: 0 }, signal)
  const { ids = [] } = await group.increase({ count: 15, launchToken: 'many' }, signal)
  await group.list(signal)
  await Promise.all(ids.map((id) => group.connectInfo(id, signal)))
  await group.increase({ count: 1, launchToken: 'one' }, signal)
  const [one] = (await group.list(signal)).filter(({ launchToken }) => launchToken === 'one')
  await group.connectInfo(one!.id, signal)
  await group.decrease(ids, signal)
  cloud.fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
  await group.increase({ count: 1, launchToken: 'unlucky' }, signal)
  await group.list(signal)
  await group.shutdown()
}

/** The exchange once for each name of its query and of its bodies, with that name spelt otherwise. */
function misspellings(entry: Evidence): readonly Evidence[] {
  if (!('url' in entry)) return []
  const url = new URL(entry.url)
  const queries = [...url.searchParams.keys()].map((wrong) => {
    const query = [...url.searchParams].map(
      ([key, value]) => [key === wrong ? `${key}X` : key, value] as [string, string],
    )
    return { ...entry, url: `${url.origin}${url.pathname}?${new URLSearchParams(query).toString()}` }
  })
  const requests = entry.requestBody ? renamings(JSON.parse(entry.requestBody)) : []
  const answers = entry.status < 400 ? renamings(JSON.parse(entry.responseBody)) : []
  return [
    ...queries,
    ...requests.map((value) => ({ ...entry, requestBody: JSON.stringify(value) })),
    ...answers.map((value) => ({ ...entry, responseBody: JSON.stringify(value) })),
  ]
}

/**
 * The value once for each property in it, which has another name. Names in a preserved state's metadata are whoever
 * wrote them's. Of a list, its first entry stands for all.
 */
function renamings(value: unknown): readonly unknown[] {
  if (Array.isArray(value))
    return value.length === 0 ? [] : renamings(value[0]).map((changed) => [changed, ...value.slice(1)])
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const { [key]: _, ...others } = value as Record<string, unknown>
    const isFree = key === 'metadata' && !('items' in Object(inner))
    return [
      { ...others, [`${key}X`]: inner },
      ...(isFree ? [] : renamings(inner).map((changed) => ({ ...others, [key]: changed }))),
    ]
  })
}
