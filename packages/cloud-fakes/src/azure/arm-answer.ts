import { randomUUID } from 'node:crypto'
import type { FakeAnswer, SpokenFault } from '../core/fake-server.ts'

/** An error in Resource Manager's envelope. */
export interface ArmError {
  readonly code: string
  readonly message: string
  readonly details?: readonly (ArmError & { readonly target: string })[]
}

export function answer(status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}): FakeAnswer {
  return {
    status,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json; charset=utf-8' }),
      'x-ms-request-id': randomUUID(),
      'cache-control': 'no-cache',
      ...headers,
    },
    body: body === undefined ? '' : JSON.stringify(body),
  }
}

export function refusal(
  status: number,
  code: string,
  message: string,
  headers?: Readonly<Record<string, string>>,
): FakeAnswer {
  return answer(status, { error: { code, message } satisfies ArmError }, headers)
}

const quotaMessage =
  'Operation could not be completed as it results in exceeding approved standardDSv5Family Cores quota. Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 10, Current Usage: 10, Additional Required: 2, (Minimum) New Limit Required: 12.'

/** What fails a launch that was accepted. */
export const allocationFailed: ArmError = {
  code: 'AllocationFailed',
  message: 'Allocation failed. We do not have sufficient capacity for the requested VM size in this region.',
}

/** The same, where a zone of the set has no room. */
export const zonalAllocationFailed: ArmError = {
  code: 'ZonalAllocationFailed',
  message: 'Allocation failed. We do not have sufficient capacity for the requested VM size in this zone.',
}

/** How an operation ends that failed for some machines: in a form seen of a real set, jenkins-infra/helpdesk#3584. */
export function resourceFailure(error: ArmError, ids: readonly string[]): ArmError {
  return {
    code: 'ResourceOperationFailure',
    message: "The resource operation completed with terminal provisioning state 'Failed'.",
    details: ids.map((target) => ({ ...error, target })),
  }
}

/**
 * A fault in Azure's words. Throttling and conflicts may share the code `OperationNotAllowed`: only the status tells
 * them apart.
 */
export function faultAnswer({ kind, retryAfterMs }: SpokenFault): FakeAnswer {
  switch (kind) {
    case 'throttled':
      return refusal(
        429,
        'OperationNotAllowed',
        'The server rejected the request because too many requests have been received for this subscription.',
        retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) },
      )
    case 'quota':
      return refusal(409, 'OperationNotAllowed', quotaMessage)
    case 'capacity':
      return refusal(
        409,
        'SkuNotAvailable',
        "The requested size for resource is currently not available in location 'westeurope'.",
      )
    case 'auth':
      return refusal(
        403,
        'AuthorizationFailed',
        'The client does not have authorization to perform the action over the scope.',
      )
    case 'invalid_config':
      return refusal(400, 'InvalidParameter', "The value of parameter 'imageReference' is invalid.")
    case 'conflict':
      return refusal(
        409,
        'OperationNotAllowed',
        'Operation is not allowed because another operation on the scale set is in progress.',
      )
    case 'server_error':
      return refusal(500, 'InternalServerError', 'Encountered internal server error.')
  }
}
