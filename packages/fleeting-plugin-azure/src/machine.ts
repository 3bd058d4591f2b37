import { GroupError, type TaggedMachine, type Tags } from '@runner-core/fleeting'

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

/** One as an answer has it. */
export interface MachineBody {
  readonly id?: string
  readonly name?: string
  /** In a Uniform set. */
  readonly instanceId?: string
  readonly tags?: Tags
  readonly properties?: {
    readonly provisioningState?: string
    readonly timeCreated?: string
    readonly instanceView?: { readonly statuses?: Machine['statuses'] }
  }
}

/** Thrown: `transient`, for one that cannot be told apart. */
export function machineOf({ id: resourceId, name, instanceId, tags = {}, properties = {} }: MachineBody): Machine {
  const id = instanceId ?? name
  if (id === undefined || resourceId === undefined) throw new GroupError('transient', 'a machine without an id was listed')
  const { provisioningState, timeCreated, instanceView } = properties
  return {
    id,
    resourceId: resourceId.toLowerCase(),
    provisioningState,
    tags,
    createdAt: timeCreated === undefined ? undefined : Date.parse(timeCreated),
    statuses: instanceView?.statuses ?? [],
  }
}
