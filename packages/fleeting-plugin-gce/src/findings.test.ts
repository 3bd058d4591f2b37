import { describe, expect, test } from 'vitest'
import type { InstanceGroupManager } from './compute-api.ts'
import { parseConfig } from './config.ts'
import { findings, type GroupSetup } from './findings.ts'

const metadata = (items: Readonly<Record<string, string>>) => ({
  items: Object.entries(items).map(([key, value]) => ({ key, value })),
})
const good: GroupSetup = {
  group: {
    name: 'runners',
    updatePolicy: { type: 'OPPORTUNISTIC', instanceRedistributionType: 'NONE' },
    instanceLifecyclePolicy: { defaultActionOnFailure: 'DO_NOTHING' },
    listManagedInstancesResults: 'PAGINATED',
  },
  template: metadata({ 'enable-guest-attributes': 'TRUE', 'enable-oslogin': 'FALSE' }),
  project: metadata({ 'enable-oslogin': 'TRUE' }),
}
const zonal = parseConfig({ name: 'runners', project: 'p', zone: 'europe-west1-b' })
const regional = parseConfig({ name: 'runners', project: 'p', region: 'europe-west1' })
const withGroup = (group: Partial<InstanceGroupManager>): GroupSetup => ({
  ...good,
  group: { ...good.group, ...group },
})

describe('a set-up', () => {
  test('as the README has it has nothing to be found', () => {
    expect(findings(good, zonal, false)).toEqual([])
    expect(findings(good, regional, false)).toEqual([])
  })

  test.each<[string, string, GroupSetup]>([
    ['autoscaler_attached', 'error', withGroup({ status: { autoscaler: 'projects/p/zones/z/autoscalers/a' } })],
    [
      'update_policy_proactive',
      'error',
      withGroup({ updatePolicy: { type: 'PROACTIVE', instanceRedistributionType: 'NONE' } }),
    ],
    ['redistribution_proactive', 'error', withGroup({ updatePolicy: { type: 'OPPORTUNISTIC' } })],
    ['repair_on_failure', 'warning', withGroup({ instanceLifecyclePolicy: {} })],
    ['autohealing_on', 'info', withGroup({ autoHealingPolicies: [{}] })],
    [
      'autohealing_on',
      'error',
      withGroup({
        autoHealingPolicies: [{}],
        instanceLifecyclePolicy: { defaultActionOnFailure: 'DO_NOTHING', onFailedHealthCheck: 'REPAIR' },
      }),
    ],
    ['list_pageless', 'info', withGroup({ listManagedInstancesResults: 'PAGELESS' })],
    ['os_login_on', 'error', { ...good, template: metadata({ 'enable-guest-attributes': 'TRUE' }) }],
    ['host_keys_not_published', 'info', { ...good, template: metadata({ 'enable-oslogin': 'FALSE' }) }],
  ])('with %s is told so, as %s, with what to do', (code, severity, setup) => {
    const found = findings(setup, regional, false)
    expect(found).toEqual([
      { code, severity, message: expect.stringMatching(/\S/), fix: expect.stringContaining('--region=europe-west1') },
    ])
  })

  test('whose metadata may not be read is told so', () => {
    expect(findings({ ...good, project: undefined }, zonal, false).map(({ code }) => code)).toEqual([
      'metadata_not_readable',
    ])
  })

  test('asked for more than a group can have by default is told so', () => {
    const many = { ...zonal, maxSize: 1001 }
    expect(findings(good, many, false).map(({ code }) => code)).toEqual(['max_size_above_default'])
  })

  test('with OS Login is right for whoever logs in by it, and in a zone nothing is redistributed', () => {
    const setup = { ...good, template: metadata({ 'enable-guest-attributes': 'TRUE' }) }
    expect(findings(setup, zonal, true)).toEqual([])
    expect(findings(withGroup({ updatePolicy: { type: 'OPPORTUNISTIC' } }), zonal, false)).toEqual([])
  })
})
