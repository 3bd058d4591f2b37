import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CancelTimer, Clock, Logger } from '@runner-core/fleeting'
import type { Settings } from '../config/settings.ts'
import { stateDirectory } from '../config/state-settings.ts'
import type { ManagerStatus } from './manager-status.ts'

const fileName = 'status.json'
/** How often the file is written; what it says is so old at most while the manager runs. */
const intervalMs = 5_000
/** A file that is older than this is one of a manager that has stopped. */
export const staleMs: number = 4 * intervalMs

export interface StatusFileOptions {
  /** See {@link statusDirectory}. */
  readonly directory: string
  readonly read: () => ManagerStatus
  /** Hides secrets. */
  readonly redact: (text: string) => string
  readonly clock: Clock
  readonly logger: Logger
}

/** Keeps a manager's status where others can read it, also when it has no address to listen at, and after its end. */
export class StatusFile {
  readonly #options: StatusFileOptions
  #cancel: CancelTimer = () => {}
  #hasFailed = false
  #isStopped = false

  constructor(options: StatusFileOptions) {
    this.#options = options
    this.#writeLater()
  }

  /**
   * Writes it now, once a fleet is ours: until then another manager may have them, and its word counts. Never rejects.
   */
  async write(): Promise<void> {
    const { directory, read, redact, logger } = this.#options
    const path = join(directory, fileName)
    const status = read()
    if (status.runners.every(({ running }) => running === undefined)) return
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await writeFile(`${path}.new`, redact(JSON.stringify(status)), { mode: 0o600 })
      await rename(`${path}.new`, path)
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed) logger.warn({ error, path }, 'status cannot be written')
      this.#hasFailed = true
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #writeLater(): void {
    if (this.#isStopped) return
    this.#cancel = this.#options.clock.after(intervalMs, () => void this.write().then(() => this.#writeLater()))
  }
}

/** Where a manager keeps its status: with the state of its first runner that keeps any. Undefined: nowhere. */
export function statusDirectory(settings: Pick<Settings, 'stateDir' | 'runners'>): string | undefined {
  for (const runner of settings.runners) {
    const directory = stateDirectory(settings, runner)
    if (directory !== undefined) return directory
  }
  return undefined
}

/** What the last manager wrote; undefined when none did. Thrown: when it cannot be read. */
export async function readStatusFile(directory: string): Promise<ManagerStatus | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, fileName), 'utf8')) as ManagerStatus
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
