import type { InstanceGroup, Random } from '@runner-core/fleeting'
import type { ProvisionerOptions } from '@runner-core/fleeting/provisioner'
import type { StateStore } from '@runner-core/fleeting/state'
import type { IdlePolicy } from '@runner-core/taskscaler'
import type { Bug } from './bugs.ts'
import type { WorldCoordinator } from './coordinator/world-coordinator.ts'
import type { Witness } from './witness.ts'
import type { WorldProcess } from './world-process.ts'

/** What a manager is like, and what it meets. */
export interface ManagerOptions {
  readonly process: WorldProcess
  readonly witness: Witness
  /** Makes the group, again for each try to start. */
  readonly createGroup: () => InstanceGroup
  readonly store: StateStore
  readonly coordinator: WorldCoordinator
  readonly capacityPerInstance: number
  /** How many projects there are to keep apart. Default: none is. */
  readonly projects?: number | undefined
  readonly maxUseCount: number
  readonly maxInstances: number
  readonly requestConcurrency: number
  readonly healthChecks: boolean
  /** Whether it takes a group that another has, or that has machines it does not know. Default true. */
  readonly takeOverGroup?: boolean | undefined
  /** Names the installation. Default: the one whose state the world keeps. */
  readonly systemId?: string | undefined
  /** Whether scripts outlive their connection. */
  readonly detaches: boolean
  readonly shell: 'sh' | 'bash'
  /** Whether jobs run in containers. Default false. */
  readonly inContainers?: boolean | undefined
  readonly unknownInstances: NonNullable<ProvisionerOptions['unknownInstances']>
  /** On the way to the coordinator. */
  readonly latencyMs: number
  readonly promiseCapMs: number
  readonly policies: readonly IdlePolicy[]
  readonly random: Random
  /** Writes pieces of its log, as the system does. Absent: none is kept. */
  readonly writeLog?: ((bytes: Buffer) => number) | undefined
  readonly bug: Bug | undefined
}
