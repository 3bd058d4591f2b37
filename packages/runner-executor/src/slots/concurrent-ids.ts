/**
 * Numbers for what runs at the same time, the smallest free one first: they are part of build directories, so few
 * numbers mean few directories, and the next job finds the sources of the last one. Share one among all executors of a
 * process: machines of different groups may share a home. A number whose job may still have processes is not to be
 * given back.
 */
export class ConcurrentIds {
  /** With holes, which are free, where a number was claimed. */
  readonly #isTaken: (boolean | undefined)[] = []

  take(): number {
    const free = this.#isTaken.findIndex((isTaken) => isTaken !== true)
    const id = free === -1 ? this.#isTaken.length : free
    this.#isTaken[id] = true
    return id
  }

  /** Takes a number that an earlier process took. False when it was taken since. */
  claim(id: number): boolean {
    if (this.#isTaken[id] === true) return false
    this.#isTaken[id] = true
    return true
  }

  giveBack(id: number): void {
    this.#isTaken[id] = false
  }
}
