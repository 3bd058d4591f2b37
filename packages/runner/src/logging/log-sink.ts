import type { CancelTimer } from '@runner-core/fleeting'
import { errorCode } from './error-code.ts'

export interface LogSinkOptions {
  /** Takes as many of the bytes as there is room for and returns how many. Throws when it takes none. Must not wait. */
  readonly write: (bytes: Buffer) => number
  /** Calls back once, so many milliseconds later. Should not keep the process alive. */
  readonly after: (delayMs: number, callback: () => void) => CancelTimer
  /**
   * Bytes of lines that wait for room; further lines are lost.
   * @defaultValue 1 MiB
   */
  readonly capacityBytes?: number
}

/** Why a sink takes nothing now. */
export interface LogTrouble {
  /** As the system calls it: `ENOSPC`, `EAGAIN`, `EPIPE`, … */
  readonly code: string
  /** Lines lost since. */
  readonly lost: number
}

const defaultCapacityBytes = 1024 * 1024
/** From one attempt to the next while there is no room: what a full disk refuses costs a system call each time. */
const retryMs = 100
/** Lines that waited are written in pieces of at most this size. */
const pieceBytes = 64 * 1024

/**
 * Writes the log of a process to a file or pipe that may be full, broken or never read. A line never throws, never
 * waits and never causes another line: it is written at once, waits in bounded memory for room, or is lost and counted.
 */
export class LogSink {
  readonly #write: LogSinkOptions['write']
  readonly #after: LogSinkOptions['after']
  readonly #capacityBytes: number
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #lost = 0
  #trouble: LogTrouble | undefined
  #cancelRetry: CancelTimer | undefined

  /** Called when there is room again after lines were lost. May write a line. */
  onRoom: (trouble: LogTrouble) => void = () => {}

  constructor({ write, after, capacityBytes = defaultCapacityBytes }: LogSinkOptions) {
    this.#write = write
    this.#after = after
    this.#capacityBytes = capacityBytes
  }

  /** Lines lost so far. */
  get lost(): number {
    return this.#lost
  }

  /** Absent while the sink takes what it gets. */
  get trouble(): LogTrouble | undefined {
    return this.#trouble
  }

  /** Writes `text`, which has its line end. Never throws. */
  line(text: string): void {
    const bytes = Buffer.from(text)
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > this.#capacityBytes) {
      this.countLost()
      return
    }
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#trouble === undefined) this.flush()
  }

  /** Counts a line that could not even be made. */
  countLost(): void {
    this.#lost += 1
    if (this.#trouble !== undefined) this.#trouble = { ...this.#trouble, lost: this.#trouble.lost + 1 }
  }

  /** Tries once more to write what waits. Never throws and never waits. */
  flush(): void {
    try {
      while (this.#waitingBytes > 0) this.#wrote(this.#write(this.#nextPiece()))
    } catch (error) {
      this.#trouble = { code: errorCode(error), lost: this.#trouble?.lost ?? 0 }
      this.#cancelRetry ??= this.#after(retryMs, () => {
        this.#cancelRetry = undefined
        this.flush()
      })
      return
    }
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    const trouble = this.#trouble
    this.#trouble = undefined
    if (trouble !== undefined && trouble.lost > 0) this.onRoom(trouble)
  }

  #nextPiece(): Buffer {
    const [first] = this.#waiting
    if (this.#waiting.length === 1 || first!.length >= pieceBytes) return first!
    let [count, bytes] = [0, 0]
    while (count < this.#waiting.length && bytes + this.#waiting[count]!.length <= pieceBytes)
      bytes += this.#waiting[count++]!.length
    const piece = Buffer.concat(this.#waiting.slice(0, count))
    this.#waiting.splice(0, count, piece)
    return piece
  }

  /** A line that was begun is finished before any other, so that none is torn. */
  #wrote(bytes: number): void {
    if (bytes === 0) throw Object.assign(new Error('nothing was taken'), { code: 'EAGAIN' })
    this.#waitingBytes -= bytes
    const first = this.#waiting[0]!
    if (bytes < first.length) this.#waiting[0] = first.subarray(bytes)
    else this.#waiting.shift()
  }
}
