import type { VirtualMachineScaleSet } from '@azure/arm-compute'
import { GroupError } from '@runner-core/fleeting'

/** A scale set as the SDK shows it: what of it matters here. */
export type ScaleSet = Partial<
  Pick<
    VirtualMachineScaleSet,
    | 'id'
    | 'name'
    | 'etag'
    | 'tags'
    | 'sku'
    | 'provisioningState'
    | 'orchestrationMode'
    | 'overprovision'
    | 'singlePlacementGroup'
    | 'upgradePolicy'
    | 'automaticRepairsPolicy'
    | 'spotRestorePolicy'
    | 'virtualMachineProfile'
    | 'zoneBalance'
    | 'resiliencyPolicy'
    | 'zones'
  >
>

/** What is null is not there. Thrown: `transient`, for what is none, which would count as an empty one. */
export function scaleSetOf(answer: VirtualMachineScaleSet): ScaleSet {
  const set: ScaleSet = withoutNulls(answer)
  if (set.id === undefined) throw new GroupError('transient', 'a scale set without an id was read')
  return set
}

function withoutNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutNulls) as T
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  const there = Object.entries(value).filter(([, part]) => part !== null && part !== undefined)
  return Object.fromEntries(there.map(([key, part]) => [key, withoutNulls(part)])) as T
}
