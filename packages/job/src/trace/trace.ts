import { crc32 } from 'node:zlib'
import { LineStamper } from './line-stamper.ts'
import type { LineTimes, TraceAuthor } from './line-times.ts'
import { Masker } from './masker.ts'
import { secretPatterns } from './secret-values.ts'
import { Spool } from './spool.ts'
import { defaultTokenPrefixes } from './token-prefixes.ts'
import { Utf8Repair } from './utf8-repair.ts'

export interface TraceOptions {
  /**
   * Values that must not be read in the trace. White space around them is dropped, empty ones and duplicates are
   * ignored. Of a value with several lines each line of 8 bytes or more is masked too.
   */
  readonly secrets: readonly string[]
  /** Prefixes of tokens, beside GitLab's own ({@link defaultTokenPrefixes}): what follows one is masked. */
  readonly tokenPrefixes?: readonly string[]
  /** Most bytes of masked output; the notice that the limit was exceeded comes on top. Default 4 MiB. */
  readonly limitBytes?: number
  /** Puts the time in front of each line. Default: lines have none. */
  readonly lineTimes?: LineTimes | undefined
  /** Directory for what does not fit into memory. Default: the system's directory for temporary files. */
  readonly spoolDirectory?: string
  /** Bytes kept in memory before a file is used. Default 1 MiB; up to twice as much while the file lags behind. */
  readonly memoryBytes?: number
}

const repairBytes = 64 * 1024

/**
 * The log of one job, as the coordinator gets it: valid UTF-8 (anything else becomes U+FFFD), masked (see
 * {@link Masker}), limited. `size`, `crc32` and `read` speak of these bytes only, and they never change once they are
 * there. Memory stays bounded whatever the job prints.
 */
export class Trace {
  readonly #repair = new Utf8Repair()
  readonly #masker: Masker
  readonly #spool: Spool
  readonly #secrets: Set<string>
  /** Those that the masker does not know yet. */
  readonly #added: string[] = []
  readonly #limitBytes: number
  readonly #times: LineTimes | undefined
  readonly #stamper: LineStamper | undefined
  readonly #listeners = new Set<(author: TraceAuthor) => void>()
  #crc32 = 0
  #isClosed = false

  constructor(options: TraceOptions) {
    this.#limitBytes = options.limitBytes ?? 4 * 1024 * 1024
    this.#spool = new Spool({ memoryBytes: options.memoryBytes ?? 1024 * 1024, directory: options.spoolDirectory })
    this.#secrets = new Set(options.secrets.flatMap(secretPatterns))
    const tokenPrefixes = new Set(
      [...defaultTokenPrefixes, ...(options.tokenPrefixes ?? [])].filter((prefix) => prefix !== ''),
    )
    this.#times = options.lineTimes
    this.#stamper = this.#times && new LineStamper(this.#times)
    this.#masker = new Masker({ secrets: [...this.#secrets], tokenPrefixes: [...tokenPrefixes] }, (masked, position) =>
      this.#limit(this.#stamper === undefined ? masked : this.#stamper.push(masked, position)),
    )
  }

  /** Bytes that can be read now. */
  get size(): number {
    return this.#spool.size
  }

  /** CRC-32 (IEEE) of the {@link size} bytes. */
  get crc32(): number {
    return this.#crc32
  }

  /**
   * Adds output: bytes are the job's, a string is what the runner says. A promise comes back when more was written than
   * the disk takes: wait for it before the next write. Never throws and never rejects; what is written after
   * {@link end} or beyond the limit is dropped.
   */
  write(chunk: Buffer | string): void | Promise<void> {
    if (this.#isClosed) return
    this.#useAdded()
    const author = typeof chunk === 'string' ? 'runner' : 'job'
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    const before = this.size
    for (let start = 0; start < bytes.length && !this.#isClosed; start += repairBytes) {
      const text = this.#repair.push(bytes.subarray(start, start + repairBytes))
      this.#times?.came(text.length, author)
      this.#masker.write(text)
    }
    if (this.size > before) this.#announce(author)
    return this.#spool.backlog()
  }

  /** Masks `secret` from here on, in output that is held back too. What was passed on before stays as it is. */
  addSecret(secret: string): void {
    const added = secretPatterns(secret).filter((pattern) => !this.#secrets.has(pattern))
    if (added.length === 0) return
    for (const pattern of added) this.#secrets.add(pattern)
    this.#added.push(...added)
  }

  /** What is looked for is put together anew, which costs as much for one as for a thousand. */
  #useAdded(): void {
    if (this.#added.length > 0) this.#masker.addSecrets(this.#added.splice(0))
  }

  /** Ends the log: what was held back is added, `size` and `crc32` are final. Further calls do nothing. */
  end(): void {
    if (this.#isClosed) return
    this.#useAdded()
    const before = this.size
    const rest = this.#repair.end()
    this.#times?.came(rest.length, 'job')
    this.#masker.write(rest)
    this.#masker.end()
    this.#isClosed = true
    if (this.size > before) this.#announce('runner')
  }

  /**
   * Up to `maxBytes` (≥ 1) from `offset` on, at least one if there is one; often fewer than there are. The caller must
   * not change them. Rejects when the file of the log cannot be read.
   */
  read(offset: number, maxBytes: number): Buffer | Promise<Buffer> {
    return this.#spool.read(offset, maxBytes)
  }

  /** Calls `listener` after each write that made the log longer, with its author. The result ends that. */
  onGrow(listener: (author: TraceAuthor) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Gives memory and disk back. The log is gone then. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#spool.close()
  }

  #announce(author: TraceAuthor): void {
    for (const listener of this.#listeners) listener(author)
  }

  #limit(bytes: Buffer): void {
    if (this.#isClosed) return
    const room = this.#limitBytes - this.size
    this.#append(cutAtCharacter(bytes, room))
    if (bytes.length > room) this.#stop(`Job's log exceeded limit of ${this.#limitBytes} bytes.`)
    else if (this.#spool.error)
      this.#stop(
        `Job's log could not be stored (${(this.#spool.error as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
      )
  }

  /** The job goes on, its log does not. */
  #stop(notice: string): void {
    this.#isClosed = true
    const lineStart = this.#times?.lineStart(Number.POSITIVE_INFINITY) ?? ''
    const lines = [`\x1b[33;1m${notice}`, 'Job execution will continue but no more output will be collected.\x1b[0;m']
    this.#append(Buffer.from(`\n${lines.map((line) => `${lineStart}${line}\n`).join('')}`))
  }

  #append(bytes: Buffer): void {
    this.#crc32 = crc32(bytes, this.#crc32)
    this.#spool.append(bytes)
  }
}

/** The longest beginning of `bytes`, valid UTF-8, that has at most `maxBytes` and ends at the end of a character. */
function cutAtCharacter(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
