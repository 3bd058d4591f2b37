import type { ListedInstance } from '../instance-group.ts'
import type { Instance } from './instance.ts'
import type { Origin } from './reconcile.ts'

/** How long a group's answers may be out of date at the very most. */
const rememberMs = 600_000

/** Why an instance that was given up, and is there again, is removed. */
export const cameBack = 'came back after it was lost'

/** Remembers what went, for a while: one that a late answer brings back is no new machine, and is removed again before anybody uses it. */
export class Departed {
  readonly #gone = new Map<string, { readonly instance: Instance; readonly at: number }>()

  add(instance: Instance, now: number): void {
    this.#gone.set(instance.id, { instance, at: now })
    for (const [id, { at }] of this.#gone) {
      if (now - at < rememberMs) break
      this.#gone.delete(id)
    }
  }

  /** Where a row comes from that is shown again. */
  origin({ id }: ListedInstance, now: number): Origin | undefined {
    const instance = this.#gone.get(id)?.instance
    if (instance === undefined) return undefined
    this.#gone.delete(id)
    const { cause, requestedAt, removal } = instance
    return {
      cause,
      ...(requestedAt !== undefined && { requestedAt }),
      removal: removal ?? { reason: cameBack, at: now },
    }
  }
}
