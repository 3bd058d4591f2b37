import { readFileSync } from 'node:fs'
import type { Exchange } from '@runner-core/cloud-fakes'
import { runConformance } from '@runner-core/fleeting/testing'
import { validate, validator, validatorMissing } from '@runner-core/testkit/clouds/azure-validator'
import { beforeAll, describe, expect, test } from 'vitest'
import { AzureCloud } from './azure-cloud.ts'

if (validatorMissing !== '')
  console.warn(`plugin azure and its fake against Microsoft's generated server${validatorMissing}`)

const common = [
  'AutoscaleSettings_ListByResourceGroup',
  'Operations_Get',
  'VirtualMachineScaleSets_DeleteInstances',
  'VirtualMachineScaleSets_Get',
  'VirtualMachineScaleSets_Update',
]
const runs = {
  Uniform: [
    ...common,
    'NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces',
    'PublicIPAddresses_ListVirtualMachineScaleSetPublicIPAddresses',
    'VirtualMachineScaleSetVMs_Get',
    'VirtualMachineScaleSetVMs_List',
  ],
  Flexible: [
    ...common,
    'NetworkInterfaces_List',
    'PublicIPAddresses_List',
    'VirtualMachines_Get',
    'VirtualMachines_List',
  ],
} as const

describe.skipIf(validator === undefined)(`Microsoft's generated server and client${validatorMissing}`, () => {
  const exchanges: Record<keyof typeof runs, Exchange[]> = { Uniform: [], Flexible: [] }
  beforeAll(async () => {
    for (const mode of ['Uniform', 'Flexible'] as const) {
      const failedLaunches = mode === 'Uniform' ? 'failed machines' : 'nothing'
      const lags = { appearMs: 20, bootMs: 60, deleteMs: 40 }
      await using cloud = await AzureCloud.startReal({
        mode,
        failedLaunches,
        lags,
        pageSize: 2,
        zones: ['1', '2', '3'],
        zoneRetryMs: 200,
        onExchange: (exchange) => exchanges[mode].push(exchange),
      })
      cloud.fake.settings.fullZones = ['1']
      const connector = { ...cloud.context.connector, useExternalAddress: true }
      const { connect } = cloud
      const options = { maxInstances: 3, patienceMs: 60_000, pollMs: 20, cloud: () => cloud.fake.controls, connect }
      const report = await runConformance(() => cloud.group({}, { connector }), options)
      expect(report.outcomes.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    }
  }, 300_000)

  test.each(['Uniform', 'Flexible'] as const)(
    'know every request and answer of a conformance run on a %s set',
    (mode) => {
      const { checked, operations, problems } = validate(exchanges[mode])
      expect(problems).toEqual([])
      expect(checked).toBeGreaterThan(200)
      expect(Object.keys(operations).toSorted()).toEqual(runs[mode].toSorted())
    },
  )

  const good = (operation: string, mode: keyof typeof runs = 'Uniform', holding = ''): Exchange =>
    exchanges[mode].find(
      (exchange) =>
        exchange.operation === operation && exchange.answer.status < 300 && exchange.answer.body.includes(holding),
    )!
  /** A claim of the group's owner changes tags alone, a launch the size as well. */
  const updating = (changed: 'sku' | 'tags'): Exchange =>
    exchanges.Uniform.find(
      ({ operation, request, answer }) =>
        operation === 'VirtualMachineScaleSets_Update' &&
        answer.status < 300 &&
        (changed === 'sku') === request.body.includes('"capacity"'),
    )!
  const asking = (exchange: Exchange, change: (url: string) => string): Exchange => ({
    ...exchange,
    request: { ...exchange.request, url: new URL(change(exchange.request.url.href)) },
  })
  const sending = (exchange: Exchange, change: (body: string) => string): Exchange => ({
    ...exchange,
    request: { ...exchange.request, body: change(exchange.request.body) },
  })
  const answering = (
    exchange: Exchange,
    change: (body: string) => string,
    status = exchange.answer.status,
  ): Exchange => ({
    ...exchange,
    answer: { ...exchange.answer, status, body: change(exchange.answer.body) },
  })
  const refusing = (error: string): Exchange => answering(updating('sku'), () => error, 409)
  const wrong: readonly [what: string, problem: string, exchange: () => Exchange][] = [
    [
      'a path that does not exist',
      'failed to parse path',
      () => asking(good('VirtualMachineScaleSets_Get'), (url) => url.replace('virtualMachineScaleSets', 'scaleSets')),
    ],
    [
      'another verb',
      'method: the plugin has PUT',
      () => ({ ...updating('sku'), request: { ...updating('sku').request, method: 'PUT' } }),
    ],
    [
      'another version of the API',
      'query: the plugin has map[api-version:[2024-07-01]',
      () =>
        asking(good('VirtualMachineScaleSets_Get'), (url) =>
          url.replace(/api-version=[\d-]+/, 'api-version=2024-07-01'),
        ),
    ],
    [
      'another version of the network API',
      'query: the plugin has map[api-version:[2024-05-01]',
      () =>
        asking(good('NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces'), (url) =>
          url.replace(/api-version=[\d-]+/, 'api-version=2024-05-01'),
        ),
    ],
    [
      'an unknown query parameter',
      'query: the plugin has',
      () =>
        asking(good('VirtualMachines_List', 'Flexible'), (url) =>
          url.replace('%24filter', 'filter').replace('$filter', 'filter'),
        ),
    ],
    [
      'a field that is sent and does not exist',
      'request.sku.size: unknown',
      () => sending(updating('sku'), (body) => body.replace('"capacity"', '"size"')),
    ],
    [
      'tags under another name',
      'request.labels: unknown',
      () => sending(updating('tags'), (body) => body.replace('"tags"', '"labels"')),
    ],
    [
      'ids under another name',
      'request.ids: unknown',
      () => sending(good('VirtualMachineScaleSets_DeleteInstances'), (body) => body.replace('"instanceIds"', '"ids"')),
    ],
    [
      'a number that is text',
      'request: ',
      () => sending(updating('sku'), (body) => body.replace(/"capacity":(\d+)/, '"capacity":"$1"')),
    ],
    [
      'a field of an answer that does not exist',
      'answer.properties.provisionState: unknown',
      () =>
        answering(good('VirtualMachineScaleSets_Get'), (body) =>
          body.replace('"provisioningState"', '"provisionState"'),
        ),
    ],
    [
      'a field of a machine that does not exist',
      'answer.value[0].instanceID: unknown',
      () =>
        answering(good('VirtualMachineScaleSetVMs_List', 'Uniform', 'instanceId'), (body) =>
          body.replace('"instanceId"', '"instanceID"'),
        ),
    ],
    [
      'a field of an interface that does not exist',
      'privateIpAddress: unknown',
      () =>
        answering(good('NetworkInterfaces_List', 'Flexible', 'privateIPAddress'), (body) =>
          body.replace('"privateIPAddress"', '"privateIpAddress"'),
        ),
    ],
    [
      'a word of no enumeration',
      '"Flexibel" is no armcompute.OrchestrationMode',
      () =>
        answering(good('VirtualMachineScaleSets_Get', 'Flexible'), (body) => body.replace('"Flexible"', '"Flexibel"')),
    ],
    [
      'a status that the operation does not have',
      'does not take the status 202',
      () => answering(updating('sku'), (body) => body, 202),
    ],
    [
      'a refusal without its envelope',
      'expected an error in its envelope',
      () => refusing('{"code":"Conflict","message":"m"}'),
    ],
    ['a refusal without a code', 'no error code', () => refusing('{"error":{"message":"m"}}')],
    [
      'a field of a refusal that does not exist',
      'answer.error.reason: unknown',
      () => refusing('{"error":{"code":"Conflict","reason":"m"}}'),
    ],
    ['an operation that nobody was told of', 'no answer gave this address', () => good('Operations_Get')],
  ]
  test.each(wrong)('find out %s', (_what, problem, exchange) => {
    expect(validate([exchange()]).problems.join('\n')).toContain(problem)
  })

  test('find out an operation whose state cannot be read', () => {
    const change = updating('sku')
    const follow = good('Operations_Get')
    const told = {
      ...change,
      answer: { ...change.answer, headers: { 'azure-asyncoperation': follow.request.url.href } },
    }
    expect(validate([told, follow]).problems).toEqual([])
    const failed = (error: string): Exchange => answering(follow, () => `{"name":"n","status":"Failed"${error}}`)
    expect(validate([told, failed(',"error":{"code":"AllocationFailed","message":"m"}')]).problems).toEqual([])
    const { problems } = validate([
      told,
      answering(follow, (body) => body.replace('"status"', '"state"')),
      failed(''),
      failed(',"error":{"kind":"x"}'),
    ])
    expect(problems).toHaveLength(3)
  })

  test.each(['uniform.json', 'flexible.json'])('know every field of setup/%s', (file) => {
    const value: unknown = JSON.parse(readFileSync(new URL(`../setup/${file}`, import.meta.url), 'utf8'))
    expect(validate([{ model: 'VirtualMachineScaleSet', value }]).problems).toEqual([])
  })

  test('setup/role.json allows what these runs did, and what Azure asks for besides', () => {
    const actions: Readonly<Record<string, string>> = {
      AutoscaleSettings_ListByResourceGroup: 'Microsoft.Insights/autoscaleSettings/read',
      NetworkInterfaces_List: 'Microsoft.Network/networkInterfaces/read',
      NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces:
        'Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read',
      Operations_Get: 'Microsoft.Compute/locations/operations/read',
      PublicIPAddresses_List: 'Microsoft.Network/publicIPAddresses/read',
      PublicIPAddresses_ListVirtualMachineScaleSetPublicIPAddresses:
        'Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read',
      VirtualMachineScaleSetVMs_Get: 'Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read',
      VirtualMachineScaleSetVMs_List: 'Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read',
      VirtualMachineScaleSets_DeleteInstances: 'Microsoft.Compute/virtualMachineScaleSets/delete/action',
      VirtualMachineScaleSets_Get: 'Microsoft.Compute/virtualMachineScaleSets/read',
      VirtualMachineScaleSets_Update: 'Microsoft.Compute/virtualMachineScaleSets/write',
      VirtualMachines_Get: 'Microsoft.Compute/virtualMachines/read',
      VirtualMachines_List: 'Microsoft.Compute/virtualMachines/read',
    }
    // Whoever changes a set must be allowed to use what the set's model points to.
    const besides = ['Microsoft.Network/virtualNetworks/subnets/join/action']
    const done = [...exchanges.Uniform, ...exchanges.Flexible]
      .map(({ operation }) => operation)
      .filter((name) => !name.startsWith('Authority_'))
    const { Actions } = JSON.parse(readFileSync(new URL('../setup/role.json', import.meta.url), 'utf8')) as {
      Actions: string[]
    }
    expect(new Set(Actions)).toEqual(new Set([...done.map((name) => actions[name]), ...besides]))
  })
})
