/**
 * What became of one job, as far as it has come. Plain data, small, without secrets. Times are wall times,
 * milliseconds.
 */
export interface JobHistory {
  /** GitLab's id. */
  readonly job: string
  /** When GitLab handed it out, and how long it had waited there, milliseconds. */
  readonly cameAt: number
  readonly queuedMs: number
  /** What it was told while it had no slot, newest last; the first and the last few. */
  readonly waits: readonly { readonly at: number; readonly why: string }[]
  /** Where it runs, or ran. */
  readonly placed?: { readonly at: number; readonly instance: string; readonly place: string }
  readonly ended?: { readonly at: number; readonly how: string }
}

const waitsKept = 8

/** The history with one more reason to wait. */
export function withWait(history: JobHistory, at: number, why: string): JobHistory {
  const { waits } = history
  const kept = waits.length < waitsKept ? waits : waits.filter((_, index) => index !== waitsKept / 2)
  return { ...history, waits: [...kept, { at, why }] }
}

export type JobFate = 'waiting' | 'running' | 'ended'

export function fateOf({ placed, ended }: JobHistory): JobFate {
  if (ended !== undefined) return 'ended'
  return placed === undefined ? 'waiting' : 'running'
}
