import type { Clock } from '../../contract/clock.ts'
import type { Connection } from '../../contract/connection.ts'
import type {
  Capability,
  GroupInfo,
  IncreaseResult,
  InstanceGroup,
  InstanceState,
  ListedInstance,
  Untold,
} from '../../contract/instance-group.ts'
import type { CloudControls, CloudFaultKind } from './cloud-controls.ts'

/** One rule of the contract, as a check that throws when the group breaks it. Needs no test runner. */
export interface ConformanceCase {
  readonly name: string
  /** What the group or the run must offer; otherwise the case is skipped, with the reason. */
  readonly needs?: {
    /** Instances at the same time. Default 0. */
    readonly instances?: number
    readonly capability?: Capability
    /** What the group must be able to tell. */
    readonly tells?: Untold
    /** That `instances` are as many as the group can have. */
    readonly wholeGroup?: true
    /** Controls that it uses; `[]`: any cloud with controls will do. */
    readonly cloud?: readonly (keyof CloudControls)[]
    /** What the cloud must be able to answer. */
    readonly fault?: CloudFaultKind
  }
  run(context: ConformanceContext): Promise<void>
}

/** What a case works with. Instances that it leaves behind are removed after it. */
export interface ConformanceContext {
  readonly group: InstanceGroup
  /**
   * The controls of the group's cloud; only those that the case needs may be used. Faults are healed after the case.
   */
  readonly cloud: Required<CloudControls>
  readonly info: GroupInfo
  readonly clock: Clock
  /** How many instances the case may have at once. */
  readonly maxInstances: number
  /** Whether a machine lives on when its instance is removed. */
  readonly machinesOutliveInstances: boolean
  /** Ends what the case began, when it takes far too long. */
  readonly signal: AbortSignal
  /** `list`, checked to be well formed. */
  list(): Promise<readonly ListedInstance[]>
  /** Asks for `count` instances and returns the answer, which must have accepted them all. */
  increase(count: number, launchToken?: string): Promise<IncreaseResult>
  /** Launches `count` instances and waits until they run: their ids. */
  launch(count: number): Promise<readonly string[]>
  /** Removes instances, which must be accepted, and waits until `list` shows none of them. */
  remove(ids: readonly string[]): Promise<void>
  /** A connection by the group's own `connect`, or by its connect info. */
  connect(id: string): Promise<Connection>
  /** A token nobody has used. */
  newToken(): string
  /**
   * Reads `list` again and again until `found` answers something true, which it returns. Throws with the last list once
   * the patience is at its end.
   */
  until<T>(what: string, found: (rows: readonly ListedInstance[]) => T | undefined | false): Promise<T>
  /** A few reads of `list` later: time for what must not happen to happen. */
  settle(): Promise<readonly ListedInstance[]>
  /** A second group on the same cloud, not yet initialised; whoever takes it shuts it down. */
  makeGroup(): Promise<InstanceGroup>
  /** Ends the case: it does not apply, for this reason. */
  skip(reason: string): never
  /** A line for the report. */
  note(text: string): void
  /**
   * Lets so many milliseconds pass: on a clock that can be set forward, or by waiting when it is no longer than the
   * patience. False: neither is possible.
   */
  pass(ms: number): Promise<boolean>
  /** Resolves after about so many milliseconds of real time. */
  pause(ms: number): Promise<void>
}

/** Thrown by a case that finds out on its way that it does not apply. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable'
}

/** Throws when the rule does not hold. */
export function ensure(holds: boolean, broken: string): asserts holds {
  if (!holds) throw new Error(broken)
}

/** Ids of instances that exist and are not on their way out. */
export function alive(rows: readonly ListedInstance[]): readonly string[] {
  return rows.filter(({ state }) => state !== 'deleting' && state !== 'deleted').map(({ id }) => id)
}

/** The states an instance may show between its launch and its first use. */
export const young: readonly InstanceState[] = ['creating', 'running']

/** Rows as one line, for messages. */
export function shown(rows: readonly ListedInstance[]): string {
  return rows.map(({ id, state }) => `${id} ${state}`).join(', ') || 'nothing'
}
