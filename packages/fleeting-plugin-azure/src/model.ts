import type { ScaleSet } from './scale-set.ts'

/** What does not change while a group is in use, as far as it matters here. */
export interface SetModel {
  readonly mode: 'Uniform' | 'Flexible'
  /** The most machines that it can have. */
  readonly maxSize: number
  readonly adminUsername: string | undefined
  readonly os: 'linux' | 'windows' | undefined
}

export function modelOf({ orchestrationMode, singlePlacementGroup, virtualMachineProfile }: ScaleSet): SetModel {
  const { osProfile, storageProfile } = virtualMachineProfile ?? {}
  const isCustomImage =
    storageProfile?.imageReference?.id !== undefined && !/\/galleries\//i.test(storageProfile.imageReference.id)
  const osType = storageProfile?.osDisk?.osType
  return {
    mode: orchestrationMode === 'Flexible' ? 'Flexible' : 'Uniform',
    // learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-placement-groups; 600 is for a
    // managed image that is in no gallery.
    maxSize: singlePlacementGroup === true ? 100 : isCustomImage ? 600 : 1000,
    adminUsername: osProfile?.adminUsername,
    os: osType === 'Linux' ? 'linux' : osType === 'Windows' ? 'windows' : undefined,
  }
}
