import type { Clock } from '@runner-core/fleeting'

/** Must be given back with a change, and is another one after it. A read may show it late. */
export class Fingerprint {
  readonly #clock: Clock
  readonly #lagMs: number
  #number = 0
  #movedAt: number[] = []

  constructor(clock: Clock, lagMs: number) {
    this.#clock = clock
    this.#lagMs = lagMs
  }

  /** What a change must give. */
  get now(): string {
    return written(this.#number)
  }

  /** What a read shows. */
  get shown(): string {
    this.#movedAt = this.#movedAt.filter((at) => this.#clock.now() < at + this.#lagMs)
    return written(this.#number - this.#movedAt.length)
  }

  move(): void {
    this.#number += 1
    this.#movedAt.push(this.#clock.now())
  }
}

/** As the API shows it, base64. */
function written(number: number): string {
  return Buffer.from(`fp${number}`).toString('base64')
}
