import { readFileSync } from 'node:fs'
import { withLaunch } from '@runner-core/fleeting'
import { expect, test } from 'vitest'
import { findingsOf } from './findings.ts'
import type { ScaleSet } from './scale-set.ts'

const connector = { privateKey: 'KEY' }
const fleet = 'mine'

/** As the client shows a body: the properties are at the top. */
function shown(file: string): ScaleSet {
  const { properties, ...rest } = JSON.parse(
    readFileSync(new URL(`../setup/${file}`, import.meta.url), 'utf8'),
  ) as Record<string, object>
  return { ...rest, ...properties } as unknown as ScaleSet
}

test.each(['uniform.json', 'flexible.json'])('nothing is wrong with a set made of setup/%s', (file) => {
  expect(findingsOf(shown(file), [], connector, fleet)).toEqual([])
})

const id = '/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachineScaleSets/runners'
const set: ScaleSet = { id, name: 'runners' }

test('nothing is wrong with a set that this fleet has launched in before', () => {
  expect(
    findingsOf({ ...set, tags: withLaunch({}, fleet, { launchToken: 'a', count: 1 }, true) }, [], connector, fleet),
  ).toEqual([])
})

test.each<[string, Partial<ScaleSet>]>([
  ['overprovision_on', { overprovision: true }],
  ['upgrade_policy_not_manual', { upgradePolicy: { mode: 'Rolling' } }],
  ['automatic_repairs_on', { automaticRepairsPolicy: { enabled: true } }],
  ['single_placement_group', { singlePlacementGroup: true }],
  ['spot_restore_on', { spotRestorePolicy: { enabled: true } }],
  ['zone_balance_strict', { zones: ['1', '2', '3'], zoneBalance: true }],
  ['zone_rebalancing_on', { resiliencyPolicy: { automaticZoneRebalancingPolicy: { enabled: true } } }],
  ['set_of_other_fleet', { tags: { 'Runner-Core-Fleet': 'theirs' } }],
  ['spot_deallocates', { virtualMachineProfile: { priority: 'Spot' } }],
  ['spot_deallocates', { virtualMachineProfile: { priority: 'Spot', evictionPolicy: 'Deallocate' } }],
])('%s is found in %o, with its fix', (code, change) => {
  const findings = findingsOf({ ...set, ...change }, [], connector, fleet)
  expect(findings).toEqual([
    { code, severity: expect.any(String), message: expect.stringMatching(/./), fix: expect.stringMatching(/./) },
  ])
})

test('an autoscale setting counts if it is on and of this set, however its id is spelt', () => {
  const setting = (targetResourceUri: string, enabled?: boolean): object => ({
    name: 'load',
    properties: { targetResourceUri, ...(enabled !== undefined && { enabled }) },
  })
  expect(findingsOf(set, [setting(id.toUpperCase())], connector, fleet).map(({ code }) => code)).toEqual([
    'autoscale_setting',
  ])
  expect(findingsOf(set, [setting(id, false), setting(`${id}-2`)], connector, fleet)).toEqual([])
})

test.each([{ privateKey: 'KEY' }, { password: 'p' }, { agentSocket: '/run/agent' }])('%o can log in', (connector) => {
  expect(findingsOf(set, [], connector, fleet)).toEqual([])
})

test('who has nothing to log in with is told', () => {
  expect(findingsOf(set, [], {}, fleet).map(({ code, severity }) => [code, severity])).toEqual([
    ['no_credentials', 'error'],
  ])
})
