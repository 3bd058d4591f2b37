import { expect, test } from 'vitest'
import { type AzureFailure, asThrown, errorCode } from './errors.ts'

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

test("an abort's reason stays as it is, and so does an error that is one of ours", () => {
  const reason = new Error('enough')
  expect(asThrown('doing', new Error('aborted'), AbortSignal.abort(reason))).toBe(reason)
})
