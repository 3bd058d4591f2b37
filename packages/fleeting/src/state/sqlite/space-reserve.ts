import { closeSync, existsSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'

/** Room for what the log of writes holds at most, and then some. */
const reserveBytes = 1280 * 1024
/** What is left to others when the room is taken. */
const leftBytes = 1024 * 1024
const blockBytes = 64 * 1024

/**
 * A file of no content beside the state that keeps room on its disk. SQLite's log of writes may fill a small disk by
 * itself: copying it into the file then needs room before it gives any back. The file is removed for that, and made
 * again once there is room for it.
 */
export class SpaceReserve {
  readonly #path: string
  readonly #directory: string

  constructor(path: string, directory: string) {
    this.#path = path
    this.#directory = directory
  }

  /** Gives the room back. False: there was none to give. */
  free(): boolean {
    if (!existsSync(this.#path)) return false
    rmSync(this.#path, { force: true })
    return true
  }

  /** As {@link take}, where enough is left to others then. */
  takeIfRoom(): void {
    if (existsSync(this.#path)) return
    const { bavail, bsize } = statfsSync(this.#directory)
    if (bavail * bsize >= reserveBytes + leftBytes) this.take()
  }

  /** Takes the room. Throws what `node:fs` throws, and leaves nothing then. */
  take(): void {
    const file = openSync(this.#path, 'wx', 0o600)
    try {
      // Written, not just sized: a hole takes no room.
      for (let size = 0; size < reserveBytes; size += blockBytes) writeSync(file, Buffer.alloc(blockBytes))
    } catch (error) {
      this.free()
      throw error
    } finally {
      closeSync(file)
    }
  }
}
