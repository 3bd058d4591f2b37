import { fleetDirectory } from '@runner-core/fleeting/state'
import { fleetName, type Settings } from '../config/settings.ts'
import { stateDirectory } from '../config/state-settings.ts'
import type { KeptRecord } from '../explain/kept-record.ts'
import { readRecord } from '../explain/record-file.ts'
import type { ManagerStatus } from './manager-status.ts'
import { readStatusFile, staleMs, statusDirectory } from './status-file.ts'

/** One runner's record, as `/decisions` serves it. */
export interface RunnerRecord extends KeptRecord {
  readonly runner: string
}

/** Thrown when there is nobody to ask and nothing to read. */
class NoManagerError extends Error {
  override readonly name = 'NoManagerError'
  readonly code = 'no_manager'
}

export interface ManagerPlaces {
  readonly settings: Pick<Settings, 'listenAddress' | 'stateDir' | 'runners'>
  readonly wallTime: () => number
  readonly signal: AbortSignal
}

/**
 * The records of a manager that runs, over its status pages or from `state_dir`, or of one that has stopped, from
 * `state_dir`. Thrown: {@link NoManagerError}; what reading throws.
 */
export async function readRecords(places: ManagerPlaces): Promise<readonly RunnerRecord[]> {
  const asked = await askManager<readonly RunnerRecord[]>('/decisions', places)
  if (asked !== undefined) return asked
  const { settings } = places
  const kept = settings.runners.flatMap((runner) => {
    const directory = stateDirectory(settings, runner)
    return directory === undefined
      ? []
      : { runner: runner.name, directory: fleetDirectory(directory, fleetName(runner)) }
  })
  if (kept.length === 0) throw nobody()
  return Promise.all(kept.map(async ({ runner, directory }) => ({ runner, ...(await readRecord(directory)) })))
}

/** The same for its status, and whether it runs. */
export async function readStatus(
  places: ManagerPlaces,
): Promise<{ readonly status: ManagerStatus; readonly isRunning: boolean }> {
  const asked = await askManager<ManagerStatus>('/status', places)
  if (asked !== undefined) return { status: asked, isRunning: true }
  const directory = statusDirectory(places.settings)
  const status = directory === undefined ? undefined : await readStatusFile(directory)
  if (status === undefined) throw nobody()
  return { status, isRunning: places.wallTime() - status.at <= staleMs && isAlive(status.pid) }
}

/** Undefined when there is no address, or nobody there. */
async function askManager<T>(
  path: string,
  { settings: { listenAddress }, signal }: ManagerPlaces,
): Promise<T | undefined> {
  if (listenAddress === undefined) return undefined
  const { host = '127.0.0.1', port } = listenAddress
  const name = host === '0.0.0.0' || host === '::' || host === '' ? '127.0.0.1' : host
  try {
    const response = await fetch(`http://${name.includes(':') ? `[${name}]` : name}:${port}${path}`, { signal })
    return response.ok ? ((await response.json()) as T) : undefined
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

function nobody(): NoManagerError {
  return new NoManagerError(
    'no manager responds and no state was left: set listen_address to query a running one, and state_dir to read what the last one left',
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
