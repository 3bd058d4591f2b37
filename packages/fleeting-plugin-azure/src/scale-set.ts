import { GroupError, type Tags } from '@runner-core/fleeting'

/** A scale set as Resource Manager shows it, its properties at the top: what of it matters here. */
export interface ScaleSet {
  readonly id?: string
  readonly name?: string
  readonly etag?: string
  readonly tags?: Tags
  readonly sku?: { readonly capacity?: number }
  readonly provisioningState?: string
  readonly orchestrationMode?: string
  readonly overprovision?: boolean
  readonly singlePlacementGroup?: boolean
  readonly upgradePolicy?: { readonly mode?: string }
  readonly automaticRepairsPolicy?: { readonly enabled?: boolean }
  readonly spotRestorePolicy?: { readonly enabled?: boolean }
  readonly virtualMachineProfile?: {
    readonly priority?: string
    readonly evictionPolicy?: string
    readonly osProfile?: { readonly adminUsername?: string }
    readonly storageProfile?: { readonly imageReference?: { readonly id?: string }; readonly osDisk?: { readonly osType?: string } }
  }
}

/** The same as an answer has it. */
export interface ScaleSetBody extends Pick<ScaleSet, 'id' | 'name' | 'etag' | 'tags' | 'sku'> {
  readonly properties?: Omit<ScaleSet, 'id' | 'name' | 'etag' | 'tags' | 'sku'>
}

/** Thrown: `transient`, for what is none, which would count as an empty one. */
export function scaleSetOf({ properties, ...rest }: ScaleSetBody): ScaleSet {
  if (rest.id === undefined) throw new GroupError('transient', 'a scale set without an id was read')
  return { ...properties, ...rest }
}
