import { asGroupError, describeError, type GroupErrorCode } from '@runner-core/fleeting'
import { codec } from './codec.ts'

/** A call's error as gRPC has it. */
export interface Refusal {
  readonly code: number
  readonly text: string
  /** For `grpc-status-details-bin`. */
  readonly details?: Buffer
}

/**
 * Upstream's own plugins answer 2, unknown, whatever it is; its hosts look at none of these. Ours reads the code off
 * them again, and off the text where there is no such status.
 */
const statusOf: Readonly<Record<GroupErrorCode, number>> = {
  transient: 14,
  invalid_config: 3,
  not_found: 5,
  throttled: 8,
  conflict: 10,
  auth: 16,
  capacity: 2,
  quota: 2,
  not_ready: 2,
}

const succeeded = codec('Succeeded')
const errorStatus = codec('ErrorStatus')

/** What a group threw, for a host that has only a status and a text. */
export function refusalOf(thrown: unknown): Refusal {
  const { code, retryAfterMs } = asGroupError(thrown)
  const words = code === 'capacity' ? 'no capacity' : code.replaceAll('_', ' ')
  const hint = retryAfterMs === undefined ? '' : `, retry after ${Math.ceil(retryAfterMs)}ms`
  return { code: statusOf[code], text: `${words}: ${describeError(thrown)}${hint}` }
}

/** A refusal of Suspend or Resume that tells what was done all the same. */
export function partialRefusal(method: 'Suspend' | 'Resume', thrown: unknown, done: readonly string[]): Refusal {
  const { code, text } = refusalOf(thrown)
  const detail = {
    typeUrl: `type.googleapis.com/proto.${method}Response`,
    value: succeeded.encode({ succeeded: done }),
  }
  return { code, text, details: errorStatus.encode({ code, message: text, details: [detail] }) }
}
