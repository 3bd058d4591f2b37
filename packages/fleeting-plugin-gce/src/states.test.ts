import { describe, expect, test } from 'vitest'
import { listedInstance } from './states.ts'

const name = 'ours-t1-0'

describe('a row of the group', () => {
  test.each([
    ['CREATING', undefined, 'creating'],
    ['CREATING_WITHOUT_RETRIES', undefined, 'creating'],
    ['RESTARTING', 'STOPPING', 'creating'],
    ['STARTING', 'STAGING', 'creating'],
    ['RESUMING', 'PROVISIONING', 'creating'],
    ['RECREATING', 'RUNNING', 'failed'],
    ['STOPPING', 'STOPPING', 'failed'],
    ['SUSPENDING', 'SUSPENDING', 'failed'],
    ['DELETING', 'RUNNING', 'deleting'],
    ['ABANDONING', 'RUNNING', 'deleting'],
    ['SomethingOfNextYear', 'RUNNING', 'unknown'],
    ['constructor', 'RUNNING', 'unknown'],
  ])('to which the group does %s (it is %s) is %s', (currentAction, instanceStatus, state) => {
    const status = instanceStatus !== undefined && { instanceStatus }
    expect(listedInstance({ name, currentAction, ...status }, 'ours')).toEqual({
      id: name,
      state,
      detail: currentAction,
      launchToken: 't1',
    })
  })

  test.each([
    ['PROVISIONING', 'creating'],
    ['STAGING', 'creating'],
    ['PENDING', 'creating'],
    ['RUNNING', 'running'],
    ['REPAIRING', 'failed'],
    ['PENDING_STOP', 'failed'],
    ['STOPPING', 'failed'],
    ['STOPPED', 'failed'],
    ['SUSPENDING', 'failed'],
    ['SUSPENDED', 'failed'],
    ['TERMINATED', 'failed'],
    ['DEPROVISIONING', 'deleting'],
    ['SomethingOfNextYear', 'unknown'],
    ['constructor', 'unknown'],
  ])('that is left alone and is %s is %s', (instanceStatus, state) => {
    for (const currentAction of ['NONE', 'VERIFYING', 'REFRESHING'])
      expect(listedInstance({ name, currentAction, instanceStatus }, 'ours')).toMatchObject({
        state,
        detail: instanceStatus,
      })
  })

  test('without a machine that nobody makes again has failed; one that is being verified comes yet', () => {
    expect(listedInstance({ name, currentAction: 'NONE' }, 'ours')).toMatchObject({ state: 'failed' })
    expect(listedInstance({ name, currentAction: 'VERIFYING' }, 'ours')).toMatchObject({ state: 'creating' })
  })

  test('whose last attempt failed while it is being made has failed, whatever is tried again; one that runs has not', () => {
    const lastAttempt = {
      errors: { errors: [{ code: 'ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS', message: 'no more' }] },
    }
    expect(listedInstance({ name, currentAction: 'CREATING', lastAttempt }, 'ours')).toMatchObject({
      state: 'failed',
      error: {
        code: 'capacity',
        instanceId: name,
        message: 'creating the machine: ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS: no more',
      },
    })
    expect(
      listedInstance({ name, currentAction: 'NONE', instanceStatus: 'RUNNING', lastAttempt }, 'ours'),
    ).not.toHaveProperty('error')
  })

  test('of somebody else has no launch token', () => {
    expect(listedInstance({ name: 'runners-x7k2', instanceStatus: 'RUNNING' }, 'ours')).not.toHaveProperty(
      'launchToken',
    )
  })
})
