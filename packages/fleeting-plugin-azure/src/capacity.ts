import type { Tags } from '@runner-core/fleeting'
import type { ScaleSet } from './scale-set.ts'

/** What a scale set says of its size. */
export interface SetSize {
  /** `sku.capacity`: the size that was asked for. */
  readonly capacity: number
  readonly etag: string | undefined
  /** Where the launches stand that were asked for. */
  readonly tags: Tags
  /** No change of the set is under way. */
  readonly isSettled: boolean
  /** The last change of the set ended badly: what has not come by then does not come. */
  readonly hasFailed: boolean
}

export function sizeOf({ sku, etag, tags = {}, provisioningState }: ScaleSet): SetSize {
  return {
    capacity: sku?.capacity ?? 0,
    etag,
    tags,
    isSettled: provisioningState !== undefined && ['Succeeded', 'Failed', 'Canceled'].includes(provisioningState),
    hasFailed: provisioningState === 'Failed' || provisioningState === 'Canceled',
  }
}

/** How many machines were asked for and will not come. While a change is under way nobody knows: 0. */
export function missingMachines({ capacity, isSettled }: SetSize, machineCount: number): number {
  return isSettled ? Math.max(0, capacity - machineCount) : 0
}

/**
 * The size to ask for so that `count` missing machines are not wanted any more. Never below the number of machines, so
 * that the cloud has none to pick: deleting ones are counted too.
 */
export function sizeWithout(count: number, size: SetSize, machineCount: number): number {
  return size.capacity - Math.min(count, missingMachines(size, machineCount))
}
