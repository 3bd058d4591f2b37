import { isConnectionError, isGroupError } from '../../contract/errors.ts'
import type { HealthSettings } from '../settings.ts'

/** The last connection checks of one instance. Times are `Clock.now()` milliseconds. */
export interface HealthRecord {
  /** Newest last, at most `window`. */
  readonly results: readonly boolean[]
  /** Since when so many of `results` are failures that the instance counts as unhealthy. */
  readonly failingSince: number | undefined
  /** When the last check ended. */
  readonly checkedAt: number
  /**
   * Whether a check has ever succeeded. Before, the instance may still be booting: only those who want to use it try.
   */
  readonly proven: boolean
}

/** The mass-failure brake while it holds. */
export interface Brake {
  readonly since: number
  /** When the last instance was removed in spite of it, at first when it began. */
  readonly probedAt: number
}

export function withResult(
  record: HealthRecord | undefined,
  ok: boolean,
  now: number,
  settings: HealthSettings,
): HealthRecord {
  return recordOf([...(record?.results ?? []), ok].slice(-settings.window), record, now, settings)
}

/** A record that fails at once: what was found needs no second opinion. */
export function condemned(record: HealthRecord | undefined, now: number, settings: HealthSettings): HealthRecord {
  return recordOf(
    Array.from({ length: settings.failureThreshold }, () => false),
    record,
    now,
    settings,
  )
}

function recordOf(
  results: readonly boolean[],
  before: HealthRecord | undefined,
  now: number,
  { failureThreshold }: HealthSettings,
): HealthRecord {
  const fails = results.filter((ok) => !ok).length >= failureThreshold
  return {
    results,
    failingSince: fails ? (before?.failingSince ?? now) : undefined,
    checkedAt: now,
    proven: results.includes(true) || (before?.proven ?? false),
  }
}

/** k of the last n checks failed. */
export function isFailing(record: HealthRecord): boolean {
  return record.failingSince !== undefined
}

/** The last check failed. */
function failedLast(record: HealthRecord): boolean {
  return record.results.at(-1) === false
}

/** From one check to the next while an instance is in doubt. */
const doubtMs = 10_000

/**
 * When an idle instance is to be checked again: sooner while it is in doubt; then also when there are no periodic
 * checks, since nobody else uses it any more.
 */
export function nextCheckAt(record: HealthRecord, { checkIntervalMs }: HealthSettings): number {
  const periodMs = checkIntervalMs || Infinity
  const inDoubt = failedLast(record) || isFailing(record)
  return record.checkedAt + (inDoubt ? Math.min(periodMs, doubtMs) : periodMs)
}

export interface HealthVerdict {
  readonly brake: Brake | undefined
  /** Instances to remove now, the longest failing first. */
  readonly remove: readonly string[]
  /** True when the brake has just been let go: what failed while it held proves nothing and must fail anew. */
  readonly forget: boolean
}

/**
 * Which failing instances to replace. When many fail at the same time the fault is more likely on our side than on
 * theirs, and nobody is removed until it is over. Lest a fleet that is really dead stay so for ever, one instance is
 * removed in each long while: what comes in its place shows whose fault it is. A verdict waits one check period, so
 * that the others have been checked too.
 */
export function judge(
  records: ReadonlyMap<string, HealthRecord>,
  brake: Brake | undefined,
  now: number,
  settings: HealthSettings,
): HealthVerdict {
  let failedNow = 0
  const failing: [string, number][] = []
  for (const [id, record] of records) {
    // One that answers again is not replaced for what was.
    if (!failedLast(record)) continue
    failedNow += 1
    const { failingSince = Infinity } = record
    if (now - failingSince >= (settings.checkIntervalMs || doubtMs)) failing.push([id, failingSince])
  }
  failing.sort(([, a], [, b]) => a - b)
  const candidates = failing.map(([id]) => id)
  if (failedNow < settings.massFailureMinimum || failedNow * 2 < records.size) {
    return { brake: undefined, remove: brake === undefined ? candidates : [], forget: brake !== undefined }
  }
  const held = brake ?? { since: now, probedAt: now }
  const probe = candidates[0]
  if (probe === undefined || now - held.probedAt < settings.massFailureProbeMs)
    return { brake: held, remove: [], forget: false }
  return { brake: { ...held, probedAt: now }, remove: [probe], forget: false }
}

/**
 * What a failed connection says about its instance: `failed` one bad check · `condemned` beyond doubt · `gone` the
 * group does not know it (a `list` will tell) · `nothing`.
 */
export function meaningOf(error: unknown): 'failed' | 'condemned' | 'gone' | 'nothing' {
  if (isGroupError(error)) return error.code === 'not_found' ? 'gone' : 'nothing'
  if (!isConnectionError(error)) return 'nothing'
  if (error.code === 'host_key_mismatch') return 'condemned'
  return error.code === 'unreachable' || error.code === 'refused_credentials' || error.code === 'connection_lost'
    ? 'failed'
    : 'nothing'
}
