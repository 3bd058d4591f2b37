import type { VirtualMachine, VirtualMachineScaleSetVM } from '@azure/arm-compute'
import { GroupError, type TaggedMachine } from '@runner-core/fleeting'

/** A machine of the set. */
export interface Machine extends TaggedMachine {
  /** Its number in a Uniform set, its name in a Flexible one. */
  readonly id: string
  /** Where it is in Resource Manager, in small letters: some ids spell the resource group in capitals. */
  readonly resourceId: string
  readonly provisioningState: string | undefined
  /** Its instance view's, where that was asked for. */
  readonly statuses: readonly { readonly code?: string; readonly message?: string }[]
}

type MachineAnswer = VirtualMachine | VirtualMachineScaleSetVM

/** What is null is not there. Thrown: `transient`, for one that cannot be told apart. */
export function machineOf(answer: MachineAnswer): Machine {
  const { id: resourceId, name, tags, provisioningState, timeCreated, instanceView } = answer
  const id = ('instanceId' in answer ? answer.instanceId : undefined) ?? name
  if (!id || !resourceId) throw new GroupError('transient', 'a machine without an id was listed')
  return {
    id,
    resourceId: resourceId.toLowerCase(),
    provisioningState: provisioningState ?? undefined,
    tags: tags ?? {},
    createdAt: timeCreated?.getTime(),
    statuses: instanceView?.statuses ?? [],
  }
}
