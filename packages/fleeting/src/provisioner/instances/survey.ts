import type { GroupOwner } from '../../contract/group-owner.ts'
import type { GroupInfo } from '../../contract/instance-group.ts'
import type { LaunchState } from '../launches/launch-state.ts'
import type { Instance } from './instance.ts'

/** A group as a provisioner that starts now would take it over. */
export interface GroupSurvey {
  readonly info: GroupInfo
  /** Those with a `removal` would be removed at once. */
  readonly instances: ReadonlyMap<string, Instance>
  readonly launches: LaunchState
  /** Who has the group now; absent where the group holds no owner. */
  readonly owners?: readonly GroupOwner[]
}
