import { describe, expect, test } from 'vitest'
import { fillsCapacity, isLeaving, listedInstance } from './states.ts'

const instance = (LifecycleState: string, HealthStatus = 'Healthy') => ({
  InstanceId: 'i-1',
  AvailabilityZone: 'a',
  LifecycleState: LifecycleState as 'InService',
  HealthStatus,
  ProtectedFromScaleIn: true,
})

describe('a lifecycle state', () => {
  test.each([
    ['Pending', 'creating'],
    ['InService', 'running'],
    ['Terminating:Wait', 'deleting'],
    ['Terminated', 'deleted'],
    ['Standby', 'unknown'],
    ['Quarantined', 'unknown'],
    ['ReplacingRootVolume', 'unknown'],
    ['Warmed:Stopped', 'unknown'],
    ['SomethingOfNextYear', 'unknown'],
    ['constructor', 'unknown'],
  ])('%s is %s, with its word', (word, state) => {
    expect(listedInstance(instance(word))).toEqual({ id: 'i-1', state, detail: word })
  })

  test('one in service that is unhealthy has failed, one on its way out has not', () => {
    expect(listedInstance(instance('InService', 'Unhealthy'))).toEqual({
      id: 'i-1',
      state: 'failed',
      detail: 'InService, Unhealthy',
    })
    expect(listedInstance(instance('InService', 'UNHEALTHY'))).toMatchObject({ state: 'failed' })
    expect(listedInstance(instance('Terminating', 'Unhealthy'))).toMatchObject({ state: 'deleting' })
  })

  test('what is not known fills the capacity, and is not taken for gone', () => {
    expect(fillsCapacity(instance('SomethingOfNextYear'))).toBe(true)
    expect(isLeaving(instance('SomethingOfNextYear'))).toBe(false)
    expect(fillsCapacity(instance('Warmed:Running'))).toBe(false)
    expect(fillsCapacity(instance('Terminating'))).toBe(false)
  })
})
