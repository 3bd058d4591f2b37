import type { GroupErrorCode } from '../contract/errors.ts'
import type { LaunchFailureCode } from './launches/launch-state.ts'

/** A call to the group, by the contract's method name. */
export type GroupOperation =
  | 'init'
  | 'list'
  | 'describe'
  | 'increase'
  | 'decrease'
  | 'connectInfo'
  | 'connect'
  | 'heartbeat'
  | 'giveBack'
  | 'owners'
  | 'claim'
  | 'shutdown'

/**
 * What a provisioner tells whoever counts. Every method is optional and must not throw; durations are milliseconds.
 * Gauges are pulled: `Provisioner.counts`.
 */
export interface ProvisionerObserver {
  /** A step of the loop began. Upstream's `internal_operations_total`. */
  internalOperation?(operation: 'removal' | 'reconcile' | 'provision'): void
  /**
   * `create` an instance was first seen, whatever its cause; `delete` one is gone. Upstream's
   * `instance_operations_total`.
   */
  instanceOperation?(operation: 'create' | 'delete'): void
  /** A successful `list` did not show an instance that should be there. */
  missedUpdate?(): void
  /** From request to first seen; only of requested instances. */
  creationTime?(durationMs: number): void
  /** From request to running; only of requested instances, once each. */
  runningTime?(durationMs: number): void
  /** From the first delete sent to gone; only of instances that we removed. */
  deletionTime?(durationMs: number): void
  /** Time from when an instance is first seen until it is gone. */
  lifeDuration?(durationMs: number): void
  /** An instance went without a removal of ours. */
  instanceLost?(): void
  /** A launch, or `count` of it, failed. */
  launchFailed?(code: LaunchFailureCode, count: number): void
  /** A call to the group ended; `code` tells how it failed. */
  groupCall?(operation: GroupOperation, durationMs: number, code?: GroupErrorCode): void
}
