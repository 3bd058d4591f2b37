import type { Provisioner } from '@runner-core/fleeting/provisioner'
import type { FleetLease } from '@runner-core/fleeting/state'
import type { OwnInstances } from '@runner-core/runner-docker-executor'
import type { Taskscaler } from '@runner-core/taskscaler'

export interface OwnInstancesOptions {
  readonly scaler: Pick<Taskscaler, 'readyInstances' | 'onChange'>
  readonly provisioner: Pick<Provisioner, 'connect'>
  /** Of the fleet. Absent: its state is not kept, and nobody knows whether an earlier manager is alive. */
  readonly lease: Pick<FleetLease, 'write'> | undefined
}

/** Instances whose Engines are swept also without a job. */
export function ownInstances({ scaler, provisioner, lease }: OwnInstancesOptions): OwnInstances | undefined {
  if (lease === undefined) return undefined
  return {
    ready: () => scaler.readyInstances(),
    onChange: (listener) => void scaler.onChange(listener),
    connect: (id, signal) => provisioner.connect(id, 0, signal),
    proveLease: () => lease.write([]),
  }
}
