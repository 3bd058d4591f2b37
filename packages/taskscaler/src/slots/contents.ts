/** Names that one instance remembers. */
const remembered = 50

/** What an instance has that makes jobs start sooner there, by name; the names used last. */
export class Contents {
  readonly #names = new Set<string>()

  has(name: string): boolean {
    return this.#names.has(name)
  }

  add(name: string): void {
    this.#names.delete(name)
    this.#names.add(name)
    if (this.#names.size > remembered) this.#names.delete(this.#names.keys().next().value!)
  }
}
