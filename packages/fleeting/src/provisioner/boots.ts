import type { Instance } from './instance.ts'

/** How the boots of our own instances ended, as far as they have. Each ends once: what fails after it was good is no failed boot. */
export class Boots {
  readonly #ended = new Set<string>()
  readonly #booted: (placement: string | undefined, failure?: string) => void

  /** `booted` is told about each boot that ended, with what failed. */
  constructor(booted: (placement: string | undefined, failure?: string) => void) {
    this.#booted = booted
  }

  /** Work found the instance good. */
  ready({ id, placement }: Instance): void {
    if (this.#ended.has(id)) return
    this.#ended.add(id)
    this.#booted(placement)
  }

  /** The instance failed before work ever found it good: more of its kind would fail too. */
  failed({ id, cause, placement }: Instance, why: string): void {
    if (cause !== 'requested' || this.#ended.has(id)) return
    this.#ended.add(id)
    this.#booted(placement, `instance ${id}: ${why}`)
  }

  forget(id: string): void {
    this.#ended.delete(id)
  }
}
