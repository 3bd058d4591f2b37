import type { GroupError } from '../../contract/errors.ts'
import type { Instance } from '../instances/instance.ts'

/** Why a boot failed. */
export interface BootFailure {
  readonly message: string
  /** Where the group can tell by code. */
  readonly error?: GroupError | undefined
}

/**
 * How the boots of our own instances ended, as far as they have. Each ends once: what fails after it was good is no
 * failed boot.
 */
export class Boots {
  readonly #ended = new Set<string>()
  readonly #booted: (placement: string | undefined, failure?: BootFailure) => void

  /** `booted` is told about each boot that ended, with what failed. */
  constructor(booted: (placement: string | undefined, failure?: BootFailure) => void) {
    this.#booted = booted
  }

  /** Work found the instance good. */
  ready({ id, placement }: Instance): void {
    if (this.#ended.has(id)) return
    this.#ended.add(id)
    this.#booted(placement)
  }

  /** The instance failed before work ever found it good: more of its kind would fail too. */
  failed({ id, cause, placement, error }: Instance, why: string): void {
    if (cause !== 'requested' || this.#ended.has(id)) return
    this.#ended.add(id)
    this.#booted(placement, { message: `instance ${id}: ${why}`, error })
  }

  forget(id: string): void {
    this.#ended.delete(id)
  }
}
