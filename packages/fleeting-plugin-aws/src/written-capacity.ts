import type { Clock } from '@runner-core/fleeting'

/** For so long a read may show a desired capacity from before our own changes. */
export const longestLagMs = 180_000

interface Size {
  readonly size: number
  /** When a change of ours took its place; the last one has none yet. */
  replacedAt?: number
}

/**
 * The desired capacity as it must be after our own accepted changes, where a read still shows it as it was before one
 * of them. Any other number than these is newer: somebody else wrote it. Reads are late, but never go back: once one
 * must have shown the last number, those before it are forgotten, so that somebody else may write the same again. Where
 * the size had the last number before, as after a raise that was lowered again before any read showed it, such a read
 * may be older than the raise, and nothing is forgotten before the longest lag is over.
 */
export class WrittenCapacity {
  readonly #clock: Clock
  /** As they followed each other; the last is the one that holds. */
  #sizes: Size[] = []
  /** The earliest that the last read can have shown. */
  #seen: Size | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What holds, given what a read shows. */
  read(shown: number): number {
    this.#forgetOld()
    const { size: last = shown } = this.#sizes.at(-1) ?? {}
    const from = Math.max(0, this.#sizes.indexOf(this.#seen!))
    const place = this.#sizes.findIndex(({ size }, index) => size === shown && index >= from)
    this.#seen = this.#sizes[place] ?? this.#seen
    const isOurs = this.#sizes.some(({ size }) => size === shown)
    if (isOurs && place !== this.#sizes.length - 1) return last
    this.#sizes = [{ size: shown }]
    return shown
  }

  /** AWS has accepted this size. */
  set(size: number): void {
    this.#forgetOld()
    const last = this.#sizes.at(-1)
    if (last !== undefined) last.replacedAt = this.#clock.now()
    this.#sizes.push({ size })
  }

  /** AWS has accepted a change by so many. Before the first read there is nothing that it could be told from. */
  add(change: number): void {
    const last = this.#sizes.at(-1)
    if (last !== undefined && change !== 0) this.set(last.size + change)
  }

  #forgetOld(): void {
    const from = this.#clock.now() - longestLagMs
    this.#sizes = this.#sizes.filter(({ replacedAt = Number.POSITIVE_INFINITY }) => replacedAt >= from)
  }
}
