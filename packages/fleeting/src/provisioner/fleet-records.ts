import { type RecordKind, StateNamespace } from '../state/state-namespace.ts'
import type { JsonValue } from '../state/state-store.ts'
import type { InstanceCause } from './instances/instance.ts'

/** A launch as the journal keeps it: what it may still bring, and whether the cloud is known to have accepted it. */
export interface LaunchRecord {
  readonly count: number
  readonly reason: string
  readonly placement?: string
  readonly atWallTime: number
  readonly isAccepted?: true
}

/** An instance that is ours. */
export interface InstanceRecord {
  readonly cause: Exclude<InstanceCause, 'unexpected'>
  readonly atWallTime: number
  readonly placement?: string
  /** When it was given up, though nobody had removed it. It may come back. */
  readonly lostAtWallTime?: number
}

/** An instance whose removal was begun. */
interface RemovalRecord {
  readonly reason: string
  readonly atWallTime: number
}

/** What the provisioner keeps about a fleet. Intents are on the disk before their act. */
export interface FleetRecords {
  readonly launch: LaunchRecord
  readonly instance: InstanceRecord
  readonly removal: RemovalRecord
  /** What concerns the whole fleet, one record for each fact. */
  readonly fleet: JsonValue
}

type Fields<Value> = { readonly [Field in keyof Value]?: unknown }

const launch: RecordKind<LaunchRecord> = {
  survives: 'power',
  write: (value) => ({ ...value }),
  read(value) {
    const { count, reason, placement, atWallTime, isAccepted } = Object(value) as Fields<LaunchRecord>
    if (typeof count !== 'number' || !Number.isInteger(count)) return undefined
    return {
      count,
      reason: typeof reason === 'string' ? reason : '',
      ...(typeof placement === 'string' && { placement }),
      atWallTime: typeof atWallTime === 'number' ? atWallTime : Number.NaN,
      ...(isAccepted === true && { isAccepted }),
    }
  },
}

const instance: RecordKind<InstanceRecord> = {
  write: (value) => ({ ...value }),
  read(value) {
    const { cause, atWallTime, placement, lostAtWallTime } = Object(value) as Fields<InstanceRecord>
    return {
      cause: cause === 'requested' ? cause : 'adopted',
      atWallTime: typeof atWallTime === 'number' ? atWallTime : 0,
      ...(typeof placement === 'string' && { placement }),
      ...(typeof lostAtWallTime === 'number' && { lostAtWallTime }),
    }
  },
}

const removal: RecordKind<RemovalRecord> = {
  survives: 'power',
  write: (value) => ({ ...value }),
  read(value) {
    const { reason, atWallTime } = Object(value) as Fields<RemovalRecord>
    return {
      reason: typeof reason === 'string' ? reason : 'its removal started before the restart',
      atWallTime: typeof atWallTime === 'number' ? atWallTime : 0,
    }
  },
}

/** The provisioner's own records. */
export const fleetRecords: StateNamespace<FleetRecords> = new StateNamespace<FleetRecords>({
  name: 'fleeting',
  version: 1,
  kinds: { launch, instance, removal, fleet: { survives: 'power', write: (value) => value, read: (value) => value } },
})
