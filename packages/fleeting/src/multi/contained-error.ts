import { GroupError } from '../contract/errors.ts'

/** Whether the error, said of the whole, would stop every launch, or every call, of the fleet. */
export function stopsFleet({ code, instanceId }: GroupError): boolean {
  return (
    code === 'auth' ||
    code === 'invalid_config' ||
    code === 'throttled' ||
    (code === 'not_found' && instanceId === undefined)
  )
}

/**
 * An error of one member as the whole must tell it. What would stop the whole fleet is said as `transient`: the member
 * itself keeps its consequence. `instanceId`: the fleet's id of the instance concerned.
 */
export function containedError(error: GroupError, member: string, instanceId?: string): GroupError {
  const { code, retryAfterMs } = error
  return new GroupError(stopsFleet(error) ? 'transient' : code, `${member}: ${error.message}`, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(instanceId !== undefined && { instanceId }),
    cause: error,
  })
}

/** The same code and hint, with the member named. */
export function namedError(error: GroupError, member: string): GroupError {
  const { code, retryAfterMs } = error
  return new GroupError(code, `${member}: ${error.message}`, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    cause: error,
  })
}
