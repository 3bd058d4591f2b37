const blockBytes = 4096

/**
 * A disk of bounded size, in blocks. When it is full, files can still be made, and what is in a block can be written
 * over and added to up to its end; but no file gets another block.
 */
export class Disk {
  readonly #capacityBytes: number
  readonly #files = new Map<string, Buffer[]>()
  readonly #watchers = new Map<string, Set<() => void>>()
  /** What others keep there. */
  othersBytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  get freeBytes(): number {
    let used = this.othersBytes
    for (const name of this.#files.keys()) used += allocated(this.size(name))
    return Math.max(0, this.#capacityBytes - used)
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
    this.#files.set(name, [])
  }

  /** Adds to its end as much as there is room for, and answers how much that was. */
  append(name: string, bytes: Buffer): number {
    const pieces = this.#files.get(name) ?? []
    this.#files.set(name, pieces)
    const size = this.size(name)
    const room = allocated(size) - size + Math.floor(this.freeBytes / blockBytes) * blockBytes
    const written = bytes.subarray(0, Math.min(bytes.length, room))
    if (written.length > 0) pieces.push(written)
    for (const changed of this.#watchers.get(name) ?? []) changed()
    return written.length
  }

  /** Puts it in the place of what is there. False: there is no room. */
  overwrite(name: string, bytes: Buffer): boolean {
    if (allocated(bytes.length) > allocated(this.size(name)) + this.freeBytes) {
      this.create(name)
      return false
    }
    this.#files.set(name, [bytes])
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
    this.#files.delete(name)
  }

  /** Calls back after each write to it. Returns how to stop. */
  watch(name: string, changed: () => void): () => void {
    const watchers = this.#watchers.get(name) ?? new Set()
    this.#watchers.set(name, watchers.add(changed))
    return () => watchers.delete(changed)
  }
}

function allocated(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes
}
