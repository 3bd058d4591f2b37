import type { IncreaseRequest } from '../contract/instance-group.ts'

export type MemoryOperation =
  | 'init'
  | 'list'
  | 'describe'
  | 'increase'
  | 'decrease'
  | 'connectInfo'
  | 'connect'
  | 'heartbeat'
  | 'suspend'
  | 'resume'
  | 'owners'
  | 'claim'
  | 'shutdown'

/** A recorded call. */
export interface MemoryCall {
  readonly operation: MemoryOperation
  readonly at: number
  readonly request?: IncreaseRequest
  readonly ids?: readonly string[]
  /** The error's code, once it failed; `aborted` when its signal ended it. */
  failed?: string
}

/**
 * What goes wrong with calls. `error` is thrown · `afterActing` the call acts first and the answer is lost · `hang` no
 * answer until the signal aborts · `deaf` not even then.
 */
export type MemoryFault =
  | { readonly kind: 'error' | 'afterActing'; readonly error: Error }
  | { readonly kind: 'hang' | 'deaf' }
