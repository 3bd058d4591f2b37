/** How an Auto Scaling group is set up. Fields may be changed at any time, as somebody else would. */
export interface GroupSettings {
  readonly name: string
  readonly region: string
  zones: readonly string[]
  /** Zones where launches fail for want of capacity. */
  fullZones: readonly string[]
  minSize: number
  maxSize: number
  /** Whether an instance is protected from scale-in once it is in service. */
  protectsNewInstances: boolean
  /** For example `AZRebalance`. */
  suspendedProcesses: readonly string[]
  capacityRebalance: boolean
  /** Seconds, 0: none. */
  maxInstanceLifetime: number
  hasWarmPool: boolean
  hasInstanceRefresh: boolean
  /** Of its instance type, in capacity units. Undefined: the group counts instances. */
  weight: number | undefined
  isBeingDeleted: boolean
  /** Whether whoever asks may tag the group. */
  mayBeTagged: boolean
  /** Of the launch template. Empty: none. */
  userData: string
}

/** A group as this project's documentation says to set one up. */
export function goodSettings(name: string, maxSize: number): GroupSettings {
  return {
    name,
    region: 'eu-west-1',
    zones: ['eu-west-1a', 'eu-west-1b'],
    fullZones: [],
    minSize: 0,
    maxSize,
    protectsNewInstances: true,
    suspendedProcesses: ['AZRebalance', 'AlarmNotification', 'InstanceRefresh', 'ReplaceUnhealthy', 'ScheduledActions'],
    capacityRebalance: false,
    maxInstanceLifetime: 0,
    hasWarmPool: false,
    hasInstanceRefresh: false,
    weight: undefined,
    isBeingDeleted: false,
    mayBeTagged: true,
    userData: '',
  }
}

/**
 * What can be wrong with a group's set-up, by the name of the finding that must come of it. Each answers how to undo
 * it.
 */
export function misconfigurations(settings: GroupSettings): ReadonlyMap<string, () => () => void> {
  const set = (change: Partial<GroupSettings>) => (): (() => void) => {
    const before = Object.fromEntries(Object.keys(change).map((key) => [key, settings[key as keyof GroupSettings]]))
    Object.assign(settings, change)
    return () => void Object.assign(settings, before)
  }
  const resume = (process: string) => () =>
    set({ suspendedProcesses: settings.suspendedProcesses.filter((suspended) => suspended !== process) })()
  return new Map([
    ['scale_in_protection_off', set({ protectsNewInstances: false })],
    ['min_size_above_zero', set({ minSize: 1 })],
    ['max_size_zero', set({ maxSize: 0 })],
    ['az_rebalance_on', resume('AZRebalance')],
    ['replace_unhealthy_on', resume('ReplaceUnhealthy')],
    ['alarm_notification_on', resume('AlarmNotification')],
    ['scheduled_actions_on', resume('ScheduledActions')],
    ['launch_suspended', () => set({ suspendedProcesses: [...settings.suspendedProcesses, 'Launch'] })()],
    ['capacity_rebalance_on', set({ capacityRebalance: true })],
    ['max_instance_lifetime_set', set({ maxInstanceLifetime: 604_800 })],
    ['warm_pool', set({ hasWarmPool: true })],
    ['instance_refresh_active', set({ hasInstanceRefresh: true })],
    ['weighted_capacity', set({ weight: 2 })],
    ['group_is_being_deleted', set({ isBeingDeleted: true })],
    ['launches_not_tagged', set({ mayBeTagged: false })],
  ])
}
