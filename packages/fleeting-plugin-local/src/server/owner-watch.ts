/**
 * Decides whether a machine still has an owner: one that shows itself again and again. Times are milliseconds of one
 * clock that never goes back.
 */
export class OwnerWatch {
  readonly #unownedMs: number
  #sign: string | undefined
  #seenAt: number

  /** Being started is a sign of life, too. */
  constructor(unownedMs: number, now: number) {
    this.#unownedMs = unownedMs
    this.#seenAt = now
  }

  /**
   * `sign` is what the owner left last; any change of it shows that there is one. Answers whether nobody has owned the
   * machine for too long.
   */
  look(sign: string | undefined, now: number): boolean {
    if (sign !== undefined && sign !== this.#sign) {
      this.#sign = sign
      this.#seenAt = now
    }
    return now - this.#seenAt >= this.#unownedMs
  }
}
