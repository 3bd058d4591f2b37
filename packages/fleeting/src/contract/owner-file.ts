import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GroupError } from './errors.ts'
import { type GroupOwner, readOwner, writtenOwner } from './group-owner.ts'

/** Who has a group whose instances are on this machine, in a file of the directory in which the plugin keeps them. */
export class OwnerFile {
  readonly #directory: string
  readonly #file: string

  /** Nothing is made before the first {@link claim}. */
  constructor(directory: string) {
    this.#directory = directory
    this.#file = join(directory, 'group-owner')
  }

  /** Thrown: `transient`, when it cannot be read. */
  async owners(): Promise<readonly GroupOwner[]> {
    try {
      const owner = readOwner(await readFile(this.#file, 'utf8'))
      return owner === undefined ? [] : [owner]
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw this.#failed('read', error)
    }
  }

  /** All or nothing. Undefined: nobody has it. Thrown: `transient`. */
  async claim(owner: GroupOwner | undefined): Promise<void> {
    try {
      if (owner === undefined) return await rm(this.#file, { force: true })
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      await writeFile(`${this.#file}.new`, `${writtenOwner(owner)}\n`, { mode: 0o600, flush: true })
      await rename(`${this.#file}.new`, this.#file)
    } catch (error) {
      throw this.#failed('written', error)
    }
  }

  #failed(done: string, cause: unknown): GroupError {
    return new GroupError(
      'transient',
      `${this.#file}: the owner of the group cannot be ${done}: ${(cause as Error).message}`,
      { cause },
    )
  }
}
