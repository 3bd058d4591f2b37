import { ArchiveError } from './archive-error.ts'
import { type ArchiveLimits, ratioFreeBytes } from './archive-limits.ts'

/** Counts what an archive comes to, and refuses it as soon as that is too much. */
export class ContentTally {
  readonly #archiveBytes: number
  readonly #limits: ArchiveLimits
  #entries = 0
  #bytes = 0

  constructor(archiveBytes: number, limits: ArchiveLimits) {
    this.#archiveBytes = archiveBytes
    this.#limits = limits
  }

  /** Thrown: {@link ArchiveError} `too_large`. */
  addEntry(): void {
    if (++this.#entries > this.#limits.entries) throw tooLarge(`it holds more than ${this.#limits.entries} entries`)
  }

  /** Bytes of files as the archive announces them, or as they come. Thrown: {@link ArchiveError} `too_large`. */
  addBytes(bytes: number): void {
    const { contentBytes, ratio } = this.#limits
    this.#bytes += bytes
    if (this.#bytes > contentBytes) throw tooLarge(`its files come to more than ${contentBytes} bytes`)
    if (this.#bytes > Math.max(ratioFreeBytes, ratio * this.#archiveBytes))
      throw tooLarge(`its files come to more than ${ratio} times its own ${this.#archiveBytes} bytes`)
  }
}

function tooLarge(why: string): ArchiveError {
  return new ArchiveError('too_large', `the archive is refused: ${why}`)
}
