import type { NoCapacityReason } from './slots/acquisition.ts'

/**
 * What happened so far, by upstream's label values where it has them:
 * `fleeting_taskscaler_task_operations_total{operation}`. Only ever grow.
 */
export interface TaskOperations {
  reserve: number
  /** Refused although an instance could have been made. */
  reserve_available_capacity_failure: number
  /** Refused with neither a slot nor a chance of one. */
  reserve_iop_capacity_failure: number
  unreserve: number
  acquire: number
  /** Acquires that ended without a slot. */
  acquire_canceled: number
  release: number
  /** Acquisitions whose instance was lost. */
  lost: number
  /** Promises of capacity that expired. */
  replan: number
}

/** Instances asked for and instances decided to be removed: `fleeting_taskscaler_scale_operations_total{operation}`. */
export interface ScaleOperations {
  up: number
  down: number
}

export interface Counters {
  readonly tasks: TaskOperations
  readonly scale: ScaleOperations
}

export function newCounters(): Counters {
  return {
    tasks: {
      reserve: 0,
      reserve_available_capacity_failure: 0,
      reserve_iop_capacity_failure: 0,
      unreserve: 0,
      acquire: 0,
      acquire_canceled: 0,
      release: 0,
      lost: 0,
      replan: 0,
    },
    scale: { up: 0, down: 0 },
  }
}

/** Which counter a refused reservation belongs to. */
export function refusalOperation(reason: NoCapacityReason): keyof TaskOperations {
  return reason === 'preemptive_mode' ? 'reserve_available_capacity_failure' : 'reserve_iop_capacity_failure'
}
