import { expect, test } from 'vitest'
import { type AzureFailure, asThrown, errorCode, failureIn } from './errors.ts'

const other = 'Operation is not allowed because another operation on the scale set is in progress.'
const quota = 'Operation could not be completed as it results in exceeding approved standardDSv5Family Cores quota.'

test.each<[AzureFailure, string]>([
  [{ status: 429, code: 'OperationNotAllowed', message: 'too many requests' }, 'throttled'],
  [{ status: 429, code: 'QuotaExceeded', message: 'the quota of requests' }, 'throttled'],
  [{ status: 409, code: 'OperationNotAllowed', message: other }, 'conflict'],
  [{ status: 409, code: 'OperationNotAllowed', message: quota }, 'quota'],
  [{ status: 412, code: 'PreconditionFailed', message: 'm' }, 'conflict'],
  [{ code: 'AllocationFailed', message: 'm' }, 'capacity'],
  [{ code: 'ZonalAllocationFailed', message: 'm' }, 'capacity'],
  [{ code: 'OverconstrainedZonalAllocationRequest', message: 'm' }, 'capacity'],
  [{ status: 409, code: 'SkuNotAvailable', message: 'm' }, 'capacity'],
  [{ code: 'SubnetIsFull', message: 'm' }, 'quota'],
  [{ status: 403, code: 'AuthorizationFailed', message: 'm' }, 'auth'],
  [{ status: 401, message: 'm' }, 'auth'],
  [{ status: 404, code: 'ResourceGroupNotFound', message: 'm' }, 'not_found'],
  [{ status: 400, code: 'InvalidParameter', message: 'm' }, 'invalid_config'],
  [{ status: 503, code: 'ServerBusy', message: 'm' }, 'transient'],
  [{ code: 'constructor', message: 'm' }, 'transient'],
  [{ message: 'read ECONNRESET' }, 'transient'],
])('%o is %s', (failure, code) => {
  expect(errorCode(failure)).toBe(code)
})

test('the cause is found in the details of an error that only says that something failed', () => {
  const details = [
    { code: 'VMExtensionHandlerError', message: 'e', target: '10' },
    { code: 'OverconstrainedZonalAllocationRequest', message: 'Allocation failed.', target: '11' },
  ]
  const wrapped = { code: 'ResourceOperationFailure', message: 'The resource operation completed.', details }
  expect(failureIn(wrapped)).toEqual({ code: 'OverconstrainedZonalAllocationRequest', message: 'Allocation failed.' })
  expect(failureIn({ ...wrapped, details: [{ code: 'OperationNotAllowed', message: quota }] })).toMatchObject({
    message: quota,
  })
  expect(failureIn({ code: 'DeploymentFailed', message: 'd', details: [wrapped] })).toMatchObject({
    code: 'OverconstrainedZonalAllocationRequest',
  })
})

test('an error without a cause that is known, or of another form, stays as it is', () => {
  const details = [{ code: 'OSProvisioningTimedOut', message: 'm' }, null, 'x', { code: 7 }]
  expect(failureIn({ code: 'ResourceOperationFailure', message: 'r', details })).toEqual({
    code: 'ResourceOperationFailure',
    message: 'r',
  })
  expect(failureIn({ code: 'SkuNotAvailable', message: 's', details: [{ code: 'Conflict', message: 'c' }] })).toEqual({
    code: 'SkuNotAvailable',
    message: 's',
  })
  for (const odd of [undefined, null, 'text', 7, [], { code: {}, message: 4, details: 'd' }])
    expect(failureIn(odd)).toEqual({ code: undefined, message: undefined })
  const cyclic: { details: unknown[] } = { details: [] }
  cyclic.details.push(cyclic)
  expect(failureIn(cyclic)).toEqual({ code: undefined, message: undefined })
})

test("an abort's reason stays as it is, and so does an error that is one of ours", () => {
  const reason = new Error('enough')
  expect(asThrown('doing', new Error('aborted'), AbortSignal.abort(reason))).toBe(reason)
})
