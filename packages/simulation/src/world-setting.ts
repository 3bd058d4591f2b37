import type { ProvisionerOptions } from '@runner-core/fleeting/provisioner'

/** What a world is like from its beginning to its end. Ranges are drawn from anew for each use, milliseconds. */
export interface WorldSetting {
  readonly capacityPerInstance: number
  /** 0: no limit. */
  readonly maxUseCount: number
  readonly maxInstances: number
  readonly requestConcurrency: number
  readonly tells: { readonly ids: boolean; readonly tokens: boolean; readonly idempotent: boolean }
  readonly appearMs: readonly [number, number]
  readonly bootMs: readonly [number, number]
  readonly deleteMs: readonly [number, number]
  readonly callMs: number
  readonly listLagMs: number
  readonly healthChecks: boolean
  /** Whether scripts outlive their connection. */
  readonly detaches: boolean
  readonly shell: 'sh' | 'bash'
  /** On the way to the coordinator, there and back. */
  readonly latencyMs: number
  /** Until a machine notices that a connection to it is over. */
  readonly noticeMs: readonly [number, number]
  /** Zones, where there are several. */
  readonly placements?: readonly string[]
  /** Whether its machines are hosts that exist already, as many as it may have. */
  readonly hasHosts?: boolean
  /** Groups that the fleet consists of, where it is several. */
  readonly members?: readonly string[]
  readonly unknownInstances: NonNullable<ProvisionerOptions['unknownInstances']>
  /** Whether jobs run in containers, of an Engine on each machine. */
  readonly inContainers?: boolean
  /** How many projects the jobs are of, where each machine is kept for one. Default: one, and machines are shared. */
  readonly projects?: number
  /** Whether the group says who has it. */
  readonly holdsOwner?: boolean
  /** Whether the manager's log is written, to a disk of its own. */
  readonly keepsLog?: boolean
  /** Which of the schedules is in force at first. */
  readonly schedule: number
}
