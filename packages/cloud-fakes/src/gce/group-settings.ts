/** What an operator sets up around the machines, as the API shows it. Changed by whoever plays the operator. */
export interface GroupSettings {
  /** What people, and whoever has the group, have written on it. */
  description: string
  autoscaler: boolean
  updateType: 'OPPORTUNISTIC' | 'PROACTIVE'
  redistribution: 'NONE' | 'PROACTIVE'
  onFailure: 'DO_NOTHING' | 'REPAIR'
  healthCheck: boolean
  listResults: 'PAGELESS' | 'PAGINATED'
  /** Zones in which nothing can be launched. */
  fullZones: readonly string[]
  /** The template's metadata. */
  readonly metadata: Map<string, string>
  /** The project's. */
  readonly projectMetadata: Map<string, string>
}

/** As the plugin's README tells to set it up. */
export function wellSetUp(): GroupSettings {
  return {
    description: '',
    autoscaler: false,
    updateType: 'OPPORTUNISTIC',
    redistribution: 'NONE',
    onFailure: 'DO_NOTHING',
    healthCheck: false,
    listResults: 'PAGINATED',
    fullZones: [],
    metadata: new Map(),
    projectMetadata: new Map(),
  }
}

/** Ways to set it up badly, by the name of the finding that must come of each. Each answers how to undo it. */
export function misconfigurations(settings: GroupSettings, isRegional: boolean): ReadonlyMap<string, () => () => void> {
  const put =
    <Key extends keyof GroupSettings>(key: Key, value: GroupSettings[Key]) =>
    () => {
      const before = settings[key]
      settings[key] = value
      return () => {
        settings[key] = before
      }
    }
  const add = (metadata: Map<string, string>, key: string, value: string) => () => {
    metadata.set(key, value)
    return () => void metadata.delete(key)
  }
  return new Map([
    ['autoscaler_attached', put('autoscaler', true)],
    ['update_policy_proactive', put('updateType', 'PROACTIVE')],
    ['repair_on_failure', put('onFailure', 'REPAIR')],
    ['autohealing_on', put('healthCheck', true)],
    ['list_pageless', put('listResults', 'PAGELESS')],
    ['os_login_on', add(settings.projectMetadata, 'enable-oslogin', 'TRUE')],
    ...(isRegional ? [['redistribution_proactive', put('redistribution', 'PROACTIVE')] as const] : []),
  ])
}
