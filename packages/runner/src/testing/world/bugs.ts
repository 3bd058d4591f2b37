import type { FleetLease, InstanceGroup, Provisioner, ProvisionerSettingsInput } from '@runner-core/fleeting'
import type { Reservation, Taskscaler } from '@runner-core/taskscaler'
import type { PromiseNumber } from './witness.ts'

/** A mistake that a manager of the world is made with, to show that it would be noticed. Each hook wraps what the manager would use. */
export interface Bug {
  readonly name: string
  /** Which promise it breaks first. */
  readonly breaks: PromiseNumber
  readonly group?: (group: InstanceGroup) => InstanceGroup
  readonly lease?: (lease: FleetLease) => FleetLease
  /** Instances above the maximum. */
  readonly more?: number
  readonly settings?: ProvisionerSettingsInput
  readonly provisioner?: (provisioner: Provisioner) => void
  readonly scaler?: (scaler: Taskscaler, provisioner: Provisioner) => void
  /** The scaler as jobs use it. */
  readonly user?: (scaler: Taskscaler) => Pick<Taskscaler, 'acquire' | 'explainWait' | 'onChange' | 'reserve'>
  readonly reserve?: (scaler: Taskscaler) => Reservation
}
