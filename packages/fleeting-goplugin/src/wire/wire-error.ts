import { GroupError } from '@runner-core/fleeting'
import { codeOfWireError, retryHintOfText } from './error-codes.ts'

/** gRPC's status of a method that the other end does not have. */
const unimplemented = 12

interface WireErrorOptions {
  readonly cause: unknown
  readonly succeeded: readonly string[] | undefined
}

/** The other end refused a call, or could not be asked. */
export class WireError extends GroupError {
  /** gRPC's status code. */
  readonly status: number
  /** What it did all the same, where the wire tells: Suspend and Resume send their answer beside the refusal. */
  readonly succeeded: readonly string[] | undefined

  constructor(status: number, text: string, { cause, succeeded }: WireErrorOptions) {
    const retryAfterMs = retryHintOfText(text)
    super(codeOfWireError(status, text), text || `gRPC status ${status}`, {
      cause,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    })
    this.status = status
    this.succeeded = succeeded
  }
}

/** Whether the other end is older than the method, which then counts as done. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof WireError && error.status === unimplemented
}
