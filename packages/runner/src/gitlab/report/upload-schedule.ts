import type { TraceAuthor } from '@runner-core/job'

/** Between two pieces of trace until the server names another interval, milliseconds. */
export const defaultIntervalMs = 3_000
const longestIntervalMs = 15 * 60_000
/** A silent job shows that it lives at least this often. */
const longestSilenceMs = 30_000
/** What a job prints in one go travels together, and with its end if that follows at once. */
const jobGatherMs = 5
/** What the runner says about a job goes with the job's own output, unless that is long in coming. */
const runnerGatherMs = 250
/** Between full pieces of a trace that grows faster than it is sent: well below the 200 a minute that servers allow. */
const fullPieceGapMs = 400

/**
 * Decides when a running job next speaks to the coordinator. All times are `Clock.now()` milliseconds.
 *
 * Output goes out at once after a silence, and the first output of the job always; then one piece per interval. A
 * silent job says that it runs once per interval, or every 30 s where the interval is longer or was never named, which
 * is how it learns that it was canceled.
 */
export class UploadSchedule {
  #intervalMs = defaultIntervalMs
  #silenceMs = longestSilenceMs
  #pieceAt = Number.NEGATIVE_INFINITY
  #contactAt: number
  #dueAt = Number.POSITIVE_INFINITY
  #notBefore = Number.NEGATIVE_INFINITY
  #jobHasSpoken = false

  constructor(now: number) {
    this.#contactAt = now
  }

  get intervalMs(): number {
    return this.#intervalMs
  }

  /** The server named an interval. */
  setInterval(intervalMs: number): void {
    this.#intervalMs = Math.min(intervalMs, longestIntervalMs)
    this.#silenceMs = Math.min(intervalMs, longestSilenceMs)
  }

  /** The trace grew. */
  grew(author: TraceAuthor, now: number): void {
    const soon = now + (author === 'job' ? jobGatherMs : runnerGatherMs)
    const isFirst = author === 'job' && !this.#jobHasSpoken
    if (isFirst) this.#jobHasSpoken = true
    this.#dueAt = Math.min(this.#dueAt, isFirst ? soon : Math.max(soon, this.#pieceAt + this.#intervalMs))
  }

  /** What there is must go out now. */
  flush(now: number): void {
    this.#dueAt = now
  }

  /** A piece of trace, all there is up to the most that is sent at once, is on its way. */
  pieceStarts(now: number): void {
    this.#pieceAt = now
    this.#dueAt = Number.POSITIVE_INFINITY
  }

  /** The server answered. `unsentBytes` of the trace are left; `isFull` when they make another full piece. */
  contacted(now: number, { unsentBytes, isFull }: { readonly unsentBytes: number; readonly isFull: boolean }): void {
    this.#contactAt = now
    if (unsentBytes > 0)
      this.#dueAt = Math.min(this.#dueAt, isFull ? now + fullPieceGapMs : this.#pieceAt + this.#intervalMs)
  }

  /** No usable answer: whatever it was, it is tried again later, after `retryAfterMs` at the earliest. */
  failed(now: number, retryAfterMs = 0): void {
    this.#notBefore = now + Math.max(retryAfterMs, Math.min(this.#intervalMs, longestSilenceMs))
    this.#dueAt = this.#notBefore
  }

  /** When to speak next. */
  nextAt({ hasUnsent }: { readonly hasUnsent: boolean }): number {
    return Math.max(this.#notBefore, hasUnsent ? this.#dueAt : this.#contactAt + this.#silenceMs)
  }
}
