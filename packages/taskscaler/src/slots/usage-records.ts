import type { UsageRecords } from '@runner-core/fleeting/provisioner'
import { StateNamespace, type StateRecord } from '@runner-core/fleeting/state'

/** A slot that was in use when an earlier process ended. */
export interface LentSlot {
  readonly key: string
  readonly instanceId: string
  readonly slot: number
  readonly useCount: number
}

/** What an earlier process stored about the use of instances. */
export interface KeptUsage {
  readonly lent: readonly LentSlot[]
  /** Uses that have ended although their end could not be stored: the slots were in use again later. */
  readonly over: readonly LentSlot[]
  /** By instance: its use count. */
  readonly uses: ReadonlyMap<string, number>
  /** By instance: why it gets no more jobs. */
  readonly condemned: ReadonlyMap<string, string>
  /** By instance: the label of its first labelled job. */
  readonly labels: ReadonlyMap<string, string>
  /** Number of jobs that waited or were promised a slot, and when, in wall time. */
  readonly demand: { readonly jobs: number; readonly atWallTime: number } | undefined
}

/** Key of the only `reservation` record, which stores how many jobs, not which ones: those end with the process. */
export const demandKey = 'demand'

/** The values of the scaler's records, by kind. */
interface UsageValues {
  /** Its key is that of the acquisition. */
  readonly acquisition: Omit<LentSlot, 'key'>
  /** Its key is the id of the instance. */
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
      // Only the number when there is nothing else to store.
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

/** Value of `ProvisionerOptions.usage` for a provisioner with a lease that a scaler uses. */
export const usageRecords: UsageRecords = {
  kinds: usageNamespace.kinds,
  ofInstance: 'use',
  busy(records) {
    usageNamespace.claim(records)
    return usageNamespace.read('acquisition', records).map(({ value }) => value.instanceId)
  },
}

/** Reads the records that earlier processes stored. Records in an unexpected format are ignored. */
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
    const other = last.get(slotKey(loan))
    if (other === undefined || other.useCount < loan.useCount) last.set(slotKey(loan), loan)
  }
  return {
    lent: [...last.values()],
    over: loans.filter((loan) => last.get(slotKey(loan)) !== loan),
    uses,
    condemned,
    labels,
    demand,
  }
}

function slotKey({ instanceId, slot }: LentSlot): string {
  return `${slot} ${instanceId}`
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
