import type { Channel } from './channel.ts'
import type { Disk } from './disk.ts'

/**
 * What `relayScript` starts: a `tee` that passes on what scripts print to its pipe and keeps it in a file, as far as
 * there is room. It goes on without the file when that cannot be written, and without its channel when that is gone. It
 * ends once its input has ended and nobody has its pipe open.
 */
export class MachineRelay {
  readonly name: string
  readonly out: string
  readonly #channel: Channel
  readonly #disk: Disk
  readonly #limitBytes: number
  readonly #writers = new Set<object>()
  /** Whether the pipe has its name: a script that comes finds it. */
  #isOpen = true
  #isAlive = true
  #hasFile = true

  constructor(options: {
    readonly name: string
    readonly directory: string
    readonly limitBytes: number
    readonly disk: Disk
    readonly channel: Channel
  }) {
    const { name, directory, limitBytes, disk, channel } = options
    this.name = name
    this.out = `${directory}/${name}.out`
    this.#disk = disk
    this.#channel = channel
    this.#limitBytes = limitBytes
    disk.truncate(this.out)
    channel.write('stdout', `\x1e${name} relay\x1e`)
    let word = ''
    channel.read(
      (bytes) => {
        word += bytes.toString()
        if (!word.includes('\n') || !this.#isOpen) return
        this.#isOpen = false
        if (word.startsWith('end\n')) disk.remove(this.out)
        this.#endIfUnused()
      },
      () => {
        this.#isOpen = false
        if (!this.#isNamed()) disk.remove(this.out)
        this.#endIfUnused()
      },
    )
  }

  /** A script opens the pipe to print to it. False: it has no name any more. */
  open(writer: object, forgets: boolean): boolean {
    if (!this.#isOpen || !this.#isAlive) return false
    this.#writers.add(writer)
    if (forgets) {
      this.#disk.truncate(this.out)
      this.#hasFile = true
    }
    return true
  }

  write(bytes: Buffer): void {
    if (!this.#isAlive) return
    if (this.#hasFile && this.#disk.has(this.out)) {
      const room = Math.max(0, this.#limitBytes - this.#disk.size(this.out))
      const written = this.#disk.append(this.out, bytes.subarray(0, room))
      if (written < bytes.length) {
        this.#hasFile = false
        this.#channel.write(
          'stderr',
          `tee: ${this.out}: ${room < bytes.length ? 'File too large' : 'No space left on device'}\n`,
        )
      }
    }
    this.#channel.write('stdout', bytes)
  }

  close(writer: object): void {
    this.#writers.delete(writer)
    this.#endIfUnused()
  }

  #isNamed(): boolean {
    const files = this.#disk.names.filter((name) => name.endsWith('.pid'))
    return files.some((file) => this.#disk.read(file)?.toString().split('\n')[1]?.startsWith(`${this.name} `))
  }

  #endIfUnused(): void {
    if (!this.#isAlive || this.#isOpen || this.#writers.size > 0) return
    this.#isAlive = false
    this.#channel.exit({ code: 0 })
    this.#channel.close()
  }
}
