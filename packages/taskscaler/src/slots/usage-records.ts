import type { UsageRecords } from '@runner-core/fleeting/provisioner'
import { StateNamespace, type StateRecord } from '@runner-core/fleeting/state'

/** A slot that an earlier process had lent when it ended. */
export interface LentSlot {
  readonly key: string
  readonly instanceId: string
  readonly slot: number
  readonly useCount: number
}

/** What an earlier process kept of who used the instances. */
export interface KeptUsage {
  readonly lent: readonly LentSlot[]
  /** Loans that are over, although nobody could write so: their slots were lent again. */
  readonly over: readonly LentSlot[]
  /** By instance: how often it was used. */
  readonly uses: ReadonlyMap<string, number>
  /** By instance: why it gets no more jobs. */
  readonly condemned: ReadonlyMap<string, string>
  /** By instance: that of its first labelled job. */
  readonly labels: ReadonlyMap<string, string>
  /** Jobs that had a promise, or waited, and when that was: wall time. */
  readonly demand: { readonly jobs: number; readonly atWallTime: number } | undefined
}

/** The one record of its kind: how many are promised or wait. Who they are ends with the process. */
export const demandKey = 'demand'

/** What the scaler keeps about the use of instances. */
interface UsageValues {
  /** By key of the acquisition. */
  readonly acquisition: Omit<LentSlot, 'key'>
  /** By instance. */
  readonly use: Use
  readonly reservation: NonNullable<KeptUsage['demand']>
}

interface Use {
  readonly useCount: number
  readonly condemnedFor?: string | undefined
  readonly label?: string | undefined
}

/** The scaler's own records. */
export const usageNamespace: StateNamespace<UsageValues> = new StateNamespace<UsageValues>({
  name: 'taskscaler',
  version: 1,
  kinds: {
    acquisition: {
      write: ({ instanceId, slot, useCount }) => ({ instanceId, slot, useCount }),
      read(value) {
        const { instanceId, slot, useCount } = Object(value) as Record<string, unknown>
        if (typeof instanceId !== 'string' || !isCount(slot) || !isCount(useCount)) return undefined
        return { instanceId, slot, useCount }
      },
    },
    use: {
      // A mere number where there is no more to keep.
      write: ({ useCount, condemnedFor, label }) =>
        condemnedFor === undefined && label === undefined
          ? useCount
          : { useCount, ...(condemnedFor !== undefined && { condemnedFor }), ...(label !== undefined && { label }) },
      read(value) {
        const { useCount = value, condemnedFor, label } = Object(value) as Record<string, unknown>
        if (!isCount(useCount)) return undefined
        return {
          useCount,
          ...(typeof condemnedFor === 'string' && { condemnedFor }),
          ...(typeof label === 'string' && { label }),
        }
      },
    },
    reservation: {
      write: ({ jobs, atWallTime }) => ({ jobs, atWallTime }),
      read(value) {
        const { jobs, atWallTime } = Object(value) as Record<string, unknown>
        return isCount(jobs) && isCount(atWallTime) ? { jobs, atWallTime } : undefined
      },
    },
  },
})

/** For `ProvisionerOptions.usage`, of a provisioner that has a lease and that a scaler is started on. */
export const usageRecords: UsageRecords = {
  kinds: usageNamespace.kinds,
  ofInstance: 'use',
  busy(records) {
    usageNamespace.claim(records)
    return usageNamespace.read('acquisition', records).map(({ value }) => value.instanceId)
  },
}

/** Reads records, whoever wrote them. */
export function readUsage(records: readonly StateRecord[]): KeptUsage {
  const loans = usageNamespace.read('acquisition', records).map(({ key, value }) => ({ key, ...value }))
  const used = usageNamespace.read('use', records)
  const demand = usageNamespace.read('reservation', records).find(({ key }) => key === demandKey)?.value
  const uses = new Map(used.map(({ key, value }) => [key, value.useCount]))
  const condemned = new Map(
    used.flatMap(({ key, value: { condemnedFor } }) =>
      condemnedFor === undefined ? [] : [[key, condemnedFor] as const],
    ),
  )
  const labels = new Map(
    used.flatMap(({ key, value: { label } }) => (label === undefined ? [] : [[key, label] as const])),
  )
  const last = new Map<string, LentSlot>()
  for (const loan of loans) {
    const other = last.get(placeOf(loan))
    if (other === undefined || other.useCount < loan.useCount) last.set(placeOf(loan), loan)
  }
  return {
    lent: [...last.values()],
    over: loans.filter((loan) => last.get(placeOf(loan)) !== loan),
    uses,
    condemned,
    labels,
    demand,
  }
}

function placeOf({ instanceId, slot }: LentSlot): string {
  return `${slot} ${instanceId}`
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
