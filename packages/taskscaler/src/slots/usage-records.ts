import type { JsonValue, StateRecord } from '@runner-core/fleeting/state'

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

/** Reads records, whoever wrote them: what has not the expected form is passed over. */
export function readUsage(records: readonly StateRecord[]): KeptUsage {
  const loans: LentSlot[] = []
  const uses = new Map<string, number>()
  const condemned = new Map<string, string>()
  const labels = new Map<string, string>()
  let demand: KeptUsage['demand']
  for (const { kind, key, value } of records) {
    const { instanceId, slot, useCount, condemnedFor, label, jobs, atWallTime } = Object(value) as Record<
      string,
      unknown
    >
    if (kind === 'acquisition') {
      if (typeof instanceId === 'string' && isCount(slot) && isCount(useCount))
        loans.push({ key, instanceId, slot, useCount })
    } else if (kind === 'use') {
      const count = isCount(value) ? value : useCount
      if (isCount(count)) uses.set(key, count)
      if (typeof condemnedFor === 'string') condemned.set(key, condemnedFor)
      if (typeof label === 'string') labels.set(key, label)
    } else if (kind === 'reservation' && key === demandKey && isCount(jobs) && isCount(atWallTime)) {
      demand = { jobs, atWallTime }
    }
  }
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

export function lentValue({ instanceId, slot, useCount }: LentSlot): JsonValue {
  return { instanceId, slot, useCount }
}

/** A mere number where there is no more to keep. */
export function useValue(useCount: number, label: string | undefined): JsonValue {
  return label === undefined ? useCount : { useCount, label }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
