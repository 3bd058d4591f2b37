import type { Origin } from './reconcile.ts'

/** How long a group's answers may be out of date at the very most. */
const rememberMs = 600_000

/** Why an instance that was given up, and is there again, is removed. */
export const cameBack = 'came back after it was lost'

/**
 * Remembers what went, for a while: one that a late answer brings back is no new machine, and is removed again before
 * anybody uses it.
 */
export class Departed {
  readonly #gone = new Map<string, { readonly origin: Origin; readonly at: number }>()

  add(id: string, { cause, requestedAt, removal }: Origin, at: number): void {
    this.#gone.delete(id)
    this.#gone.set(id, {
      origin: { cause, ...(requestedAt !== undefined && { requestedAt }), ...(removal && { removal }) },
      at,
    })
  }

  /** Forgets those that cannot come back any more, and answers which they are. */
  expire(now: number): readonly string[] {
    const ids = [...this.#gone].flatMap(([id, { at }]) => (now - at >= rememberMs ? [id] : []))
    for (const id of ids) this.#gone.delete(id)
    return ids
  }

  /** Where one comes from that is shown again. */
  origin(id: string, now: number): Origin | undefined {
    const origin = this.#gone.get(id)?.origin
    this.#gone.delete(id)
    return origin && { ...origin, removal: origin.removal ?? { reason: cameBack, at: now } }
  }
}
