import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { readdir, readFile, rename, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { removeDirectory } from './directories.ts'
import type { ProcessIdentity } from './process-identity.ts'

/** What the group writes down before it starts a machine's process. */
export interface LaunchRecord {
  readonly launchToken: string
  /** The machine's directory with its home. */
  readonly directory: string
  /** Wall time, milliseconds. */
  readonly launchedAt: number
}

/** What the machine's process writes down once it can be reached. */
export interface MachineRecord extends ProcessIdentity {
  readonly port: number
  /** As in `known_hosts` after the host's name. */
  readonly hostKey: string
}

export interface RecordedMachine {
  readonly id: string
  readonly launch: LaunchRecord
  /** Absent while it starts, or when it never did. */
  readonly machine?: MachineRecord
}

/** Files that a machine's process reads and writes beside its home. */
export interface MachineFiles {
  /** The machine's own part of the records. Once it is gone, the machine ends. */
  readonly record: string
  /** Touched by whoever owns the fleet. */
  readonly owner: string
  /** Whose keys open the door, as in `authorized_keys`. */
  readonly keys: string
}

const unfinished = '.new-'

/**
 * What a fleet's machines have written down about them, so that another process finds and reaches them again. Nothing
 * in it is secret: a new owner lets itself in by its own public key.
 *
 *     authorized_keys   owner   homes/<id>/   machines/<id>/{launch.json, machine.json, errors}
 */
export class MachineRecords {
  readonly homes: string
  readonly #path: string

  /** Nothing is made before {@link own} or {@link begin}. */
  constructor(path: string) {
    this.#path = path
    this.homes = join(path, 'homes')
  }

  filesOf(id: string): MachineFiles {
    return { record: this.#recordOf(id), owner: join(this.#path, 'owner'), keys: join(this.#path, 'authorized_keys') }
  }

  /** From now on machines let in who has this key, and nobody else. */
  async own(publicKey: string): Promise<void> {
    for (const path of [this.#path, this.homes, join(this.#path, 'machines')])
      mkdirSync(path, { recursive: true, mode: 0o700 })
    await writeWhole(join(this.#path, 'authorized_keys'), `${publicKey}\n`)
    await this.showOwner()
    const left = (await readdir(join(this.#path, 'machines'))).filter((entry) => entry.startsWith(unfinished))
    for (const entry of left) await removeDirectory(join(this.#path, 'machines', entry))
  }

  /** Tells the machines that somebody looks after them. */
  showOwner(): Promise<void> {
    return writeFile(join(this.#path, 'owner'), randomBytes(8).toString('hex'), { mode: 0o600 })
  }

  /** A machine is about to be started. All of the record is there, or nothing. */
  begin(id: string, launch: LaunchRecord): void {
    const path = join(this.#path, 'machines', `${unfinished}${id}`)
    mkdirSync(path, { mode: 0o700 })
    writeFileSync(join(path, 'launch.json'), JSON.stringify(launch), { mode: 0o600 })
    renameSync(path, this.#recordOf(id))
  }

  /** Every machine that has a record. */
  async all(): Promise<RecordedMachine[]> {
    const ids = await readdir(join(this.#path, 'machines')).catch(whenGone([]))
    const machines = await Promise.all(ids.filter((id) => !id.startsWith(unfinished)).map((id) => this.read(id)))
    return machines.filter((machine) => machine !== undefined)
  }

  /** Undefined when it has no record any more. */
  async read(id: string): Promise<RecordedMachine | undefined> {
    const launch = await readJson<LaunchRecord>(join(this.#recordOf(id), 'launch.json'))
    if (launch === undefined) return undefined
    const machine = await readJson<MachineRecord>(join(this.#recordOf(id), 'machine.json'))
    return { id, launch, ...(machine !== undefined && { machine }) }
  }

  /**
   * Nothing of the machine is left: no record, and no directory. The record goes last, since it is what the rest is
   * found by.
   */
  async remove(id: string, directory: string): Promise<void> {
    await removeDirectory(directory)
    await removeDirectory(this.#recordOf(id))
  }

  /** A machine that has not come up yet must not come up any more. */
  async revoke(id: string): Promise<void> {
    await removeDirectory(this.#recordOf(id))
  }

  /** Removes what belongs to no machine, when there is none. */
  async removeIfEmpty(): Promise<void> {
    try {
      for (const folder of ['machines', 'homes']) await rmdir(join(this.#path, folder))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return
    }
    await removeDirectory(this.#path)
  }

  #recordOf(id: string): string {
    return join(this.#path, 'machines', id)
  }
}

/** Rejects with `ENOENT` when the record was removed in the meantime. */
export function writeMachineRecord(record: string, machine: MachineRecord): Promise<void> {
  return writeWhole(join(record, 'machine.json'), JSON.stringify(machine))
}

/** Readers see the file before or after, never a part of it. */
async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(whenGone(undefined))
  return text === undefined ? undefined : (JSON.parse(text) as T)
}

function whenGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value
    throw error
  }
}
