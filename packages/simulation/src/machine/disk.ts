/** A disk of bounded size: when it is full, files can still be made, but nothing can be written to them, as on a file system that has inodes left. */
export class Disk {
  readonly #capacityBytes: number
  readonly #files = new Map<string, Buffer[]>()
  readonly #watchers = new Map<string, Set<() => void>>()
  #usedBytes = 0
  /** What others keep there. */
  othersBytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  get freeBytes(): number {
    return Math.max(0, this.#capacityBytes - this.#usedBytes - this.othersBytes)
  }

  /** Names of all files. */
  get names(): readonly string[] {
    return [...this.#files.keys()]
  }

  has(name: string): boolean {
    return this.#files.has(name)
  }

  /** False: it is there already. */
  create(name: string): boolean {
    if (this.#files.has(name)) return false
    this.#files.set(name, [])
    return true
  }

  /** Empties it, or makes it. */
  truncate(name: string): void {
    this.remove(name)
    this.create(name)
  }

  /** Adds to its end as much as there is room for, and answers how much that was. */
  append(name: string, bytes: Buffer): number {
    const pieces = this.#files.get(name) ?? []
    this.#files.set(name, pieces)
    const written = bytes.subarray(0, Math.min(bytes.length, this.freeBytes))
    if (written.length > 0) pieces.push(written)
    this.#usedBytes += written.length
    for (const changed of this.#watchers.get(name) ?? []) changed()
    return written.length
  }

  /** Puts it in the place of what is there: what has room keeps it. False: there is none. */
  overwrite(name: string, bytes: Buffer): boolean {
    const had = this.size(name)
    if (had === 0 && this.freeBytes < bytes.length) {
      this.create(name)
      return false
    }
    this.#files.set(name, [bytes])
    this.#usedBytes += bytes.length - had
    return true
  }

  size(name: string): number {
    return (this.#files.get(name) ?? []).reduce((sum, { length }) => sum + length, 0)
  }

  read(name: string): Buffer | undefined {
    const pieces = this.#files.get(name)
    return pieces && Buffer.concat(pieces)
  }

  remove(name: string): void {
    this.#usedBytes -= this.size(name)
    this.#files.delete(name)
  }

  /** Calls back after each write to it. Returns how to stop. */
  watch(name: string, changed: () => void): () => void {
    const watchers = this.#watchers.get(name) ?? new Set()
    this.#watchers.set(name, watchers.add(changed))
    return () => watchers.delete(changed)
  }
}
