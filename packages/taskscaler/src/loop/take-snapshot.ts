import type { Logger } from '@runner-core/fleeting'
import type { Provisioner } from '@runner-core/fleeting/provisioner'
import type { DemandSource } from '../demand/demand-source.ts'
import type { IdleInstance, ScalingSnapshot } from '../plan/scaling-snapshot.ts'
import type { Allocator } from '../slots/allocator.ts'
import type { FleetSlots } from '../slots/fleet-slots.ts'

/** Idle instances shown to one plan: what it may remove at once. The next pass sees the next ones. */
const idleShown = 100

export interface SnapshotSources {
  readonly allocator: Allocator
  readonly fleetSlots: FleetSlots
  readonly provisioner: Pick<Provisioner, 'info' | 'launchState'>
  readonly demand: readonly DemandSource[]
  readonly capacityPerInstance: number
  readonly maxUseCount: number
  readonly logger: Logger
}

/** The state of the fleet as plain data. Its cost does not depend on the number of instances. */
export function takeSnapshot({
  allocator,
  fleetSlots,
  provisioner,
  demand,
  logger,
  ...limits
}: SnapshotSources): ScalingSnapshot {
  const { pool, waiting, waitingForLabel, reserved } = allocator
  const { capacities } = provisioner.info
  return {
    capacityPerInstance: limits.capacityPerInstance,
    maxUseCount: limits.maxUseCount,
    ...(capacities !== undefined && { capacities }),
    demand: {
      acquired: pool.acquired,
      waiting: waiting.size,
      ...(waitingForLabel > 0 && { waitingForLabel }),
      reserved,
      queued: demand.map((source) => ({ source: source.name, depth: depthOf(source, logger) })),
    },
    supply: {
      available: pool.available,
      ...(pool.warming > 0 && { warming: pool.warming }),
      pending: fleetSlots.coming.size,
      ...(capacities !== undefined && {
        pendingSlots: Array.from(fleetSlots.coming).reduce((sum, { lendable }) => sum + lendable, 0),
      }),
      idle: longestIdle(allocator),
      condemned: Array.from(fleetSlots.condemned, ({ id, inUse, condemnedFor }) => ({
        id,
        inUse,
        reason: condemnedFor!,
      })),
    },
    placements: provisioner.info.placements ?? [],
    launches: provisioner.launchState(),
  }
}

function longestIdle({ pool }: Allocator): IdleInstance[] {
  const idle: IdleInstance[] = []
  for (const { id, idleSince, lendable } of pool.idle()) {
    if (idle.push({ id, idleSince, slots: lendable }) === idleShown) break
  }
  return idle
}

/** A source is somebody else's code: what is no number of jobs counts as none. */
function depthOf(source: DemandSource, logger: Logger): number {
  try {
    const depth = source.depth()
    return Number.isFinite(depth) ? Math.max(0, Math.ceil(depth)) : 0
  } catch (error) {
    logger.error({ source: source.name, err: error }, 'demand source failed')
    return 0
  }
}
