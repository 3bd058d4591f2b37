import type { Clock } from '@runner-core/fleeting'
import type { Instance, Provisioner } from '@runner-core/fleeting/provisioner'
import type { FleetSlots } from './fleet-slots.ts'
import { InstanceSlots, type SlotLimits } from './instance-slots.ts'
import { type Lender, SlotAcquisition } from './slot-acquisition.ts'
import type { KeptUsage } from './usage-records.ts'

export interface RestoreLentOptions {
  readonly fleetSlots: FleetSlots
  readonly provisioner: Pick<Provisioner, 'instances'>
  readonly limits: SlotLimits
  readonly lender: Lender
  readonly clock: Clock
}

/**
 * What an earlier process lent, by key. Where the instance is not there, the acquisition is lost from the beginning:
 * whoever claims it is told.
 */
export function restoreLent(
  usage: KeptUsage,
  { fleetSlots, provisioner, limits, lender, clock }: RestoreLentOptions,
): Map<string, SlotAcquisition> {
  const now = clock.now()
  const instances = provisioner.instances()
  const restored = new Map(
    fleetSlots.restore(usage, instances, now).map((acquisition) => [acquisition.key, acquisition]),
  )
  for (const { key, instanceId, slot, useCount } of usage.lent) {
    if (instances.has(instanceId)) continue
    const acquisition = new SlotAcquisition(
      new InstanceSlots(goneInstance(instanceId, now), limits),
      slot,
      useCount,
      { key },
      lender,
    )
    acquisition.lose('it disappeared while no manager was running')
    restored.set(key, acquisition)
  }
  return restored
}

function goneInstance(id: string, now: number): Instance {
  return { id, state: 'deleted', cause: 'adopted', seenAt: now, stateSince: now, missed: false, healthy: true }
}
