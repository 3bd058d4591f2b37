import { type Clock, systemClock } from '../../contract/clock.ts'
import type { Connection } from '../../contract/connection.ts'
import type { ConnectInfo, InstanceGroup } from '../../contract/instance-group.ts'
import { createSshConnector } from '../../ssh/ssh-connector.ts'
import type { CloudControls } from './cloud-controls.ts'
import type { ConformanceWait } from './long-waits.ts'

export interface ConformanceOptions {
  /** How many instances the run may have at once, ≥ 1. With 3 or more every case runs. Default 3. */
  readonly maxInstances?: number
  /**
   * Controls of the cloud behind the group, or how to get them once the group is made. With them the suite also injects
   * faults, plays other people, and counts calls. Default: those cases are skipped.
   */
  readonly cloud?: CloudControls | (() => CloudControls | Promise<CloudControls>)
  /** How machines are reached by their connect info. Default: by SSH. */
  readonly connect?: (info: ConnectInfo, signal: AbortSignal) => Promise<Connection>
  /** How long a change of state may take, milliseconds: the boot of a machine, for instance. Default 300,000. */
  readonly patienceMs?: number
  /** Pause between two reads of `list`, milliseconds. Default 100; more for a cloud that counts calls. */
  readonly pollMs?: number
  /**
   * Whether a machine lives on when its instance is removed, as hosts do that were only lent: then its open connections
   * need not end. Default false.
   */
  readonly machinesOutliveInstances?: boolean
  /**
   * Called while a case waits for long, after 5 s first: for what, and what the group shows instead. Default: nothing
   * is said before the case ends.
   */
  readonly onWait?: (wait: ConformanceWait) => void
  /** Ends the run early: the case under way fails, what was made is removed, and the other cases are skipped. */
  readonly signal?: AbortSignal
  /**
   * The clock that the group's credentials expire by. Default: the machine's own. The suite itself lives in real time.
   */
  readonly clock?: Clock
}

/** Makes a group under test. */
export type MakeGroup = () => InstanceGroup | Promise<InstanceGroup>

/** The options with their defaults. */
export type ConformanceSettings = Required<Omit<ConformanceOptions, 'cloud'>>

const never = new AbortController().signal

export function conformanceSettings(options: ConformanceOptions): ConformanceSettings {
  const connector = createSshConnector({ connector: {} })
  return {
    maxInstances: 3,
    patienceMs: 300_000,
    pollMs: 100,
    machinesOutliveInstances: false,
    clock: systemClock,
    connect: (info, signal) => connector.connect(info, signal),
    signal: never,
    onWait: () => {},
    ...options,
  }
}
