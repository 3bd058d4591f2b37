import type { GroupOwner } from '../group-owner.ts'
import type { GroupInfo } from '../instance-group.ts'
import type { Instance } from './instance.ts'
import type { LaunchState } from './launch-state.ts'

/** A group as a provisioner that starts now would take it over. */
export interface GroupSurvey {
  readonly info: GroupInfo
  /** Those with a `removal` would be removed at once. */
  readonly instances: ReadonlyMap<string, Instance>
  readonly launches: LaunchState
  /** Who has the group now; absent where the group holds no owner. */
  readonly owners?: readonly GroupOwner[]
}
