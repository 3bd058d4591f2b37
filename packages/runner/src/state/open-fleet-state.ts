import { join } from 'node:path'
import { type Clock, type HostKeyPins, type KeyPair, type Logger, silentLogger } from '@runner-core/fleeting'
import { type FleetOwner, fleetDirectory, Journal, StateError } from '@runner-core/fleeting/state'
import { isKnownLogin, type LoginMemory } from '@runner-core/runner-instance-executor'
import { fleetName, type RunnerSettings, type Settings } from '../config/settings.ts'
import { stateDirectory } from '../config/state-settings.ts'
import { JobJournal, type JournalledJob } from './job-journal.ts'
import type { KeptEnd } from './kept-end.ts'
import { keptFleetKey } from './kept-fleet-key.ts'
import { isText, KeptMap } from './kept-map.ts'
import { KeptTails } from './kept-tails.ts'
import { Seal } from './seal.ts'
import { loadStateKey } from './state-key.ts'

const maxHostKeys = 10_000
const maxLogins = 2000

/** What of one runner outlives its process. */
export interface FleetState {
  readonly lease: Journal
  readonly jobs: JobJournal
  /** Longer rests of traces that the coordinator does not have. Absent: their records have them whole. */
  readonly tails?: KeptTails
  /** Jobs that the process before had. */
  readonly left: readonly JournalledJob[]
  readonly fleetKey: KeyPair
  /** Absent: pins are not kept. */
  readonly hostKeys?: HostKeyPins
  /** What logins of instances were like before their jobs. Absent: it is not kept. */
  readonly logins?: LoginMemory
  /** For the plugin's own files. */
  readonly pluginDir: string
  /** Lets the next process have the fleet. */
  close(): Promise<void>
}

export interface OpenFleetStateOptions {
  readonly settings: Pick<Settings, 'stateDir' | 'stateKeyFile'>
  readonly runner: RunnerSettings
  /** Another process has the fleet: told at once, and then every 30 s. */
  readonly onWait: (owner: FleetOwner) => void
  /**
   * Takes the fleet from a process that lives: asks for it, and takes it by force when there is no answer. Default
   * false.
   */
  readonly takeover?: boolean
  readonly clock: Clock
  /** Default: silent. */
  readonly logger?: Logger
  readonly signal: AbortSignal
}

/** Where a plugin keeps its own files about a runner's fleet. Undefined: the configuration keeps no state. */
export function pluginDirectory(settings: Pick<Settings, 'stateDir'>, runner: RunnerSettings): string | undefined {
  const directory = stateDirectory(settings, runner)
  return directory === undefined ? undefined : join(fleetDirectory(directory, fleetName(runner)), 'plugin')
}

/**
 * Opens the state of a runner's fleet, and waits until it is ours alone. Undefined: the configuration keeps none.
 * Thrown: `StateError`, the signal's reason; the fleet is left as it is then.
 */
export async function openFleetState(options: OpenFleetStateOptions): Promise<FleetState | undefined> {
  const { settings, runner, onWait, takeover = false, clock, logger = silentLogger, signal } = options
  const directory = stateDirectory(settings, runner)
  if (directory === undefined) return undefined
  const { SqliteStateStore } = await import('@runner-core/fleeting/sqlite').catch((error: unknown) => {
    throw new StateError(
      'unavailable',
      `state_dir needs a Node.js with node:sqlite (22.15 or newer), got ${process.version}`,
      {
        cause: error,
      },
    )
  })
  const seal = new Seal(loadStateKey(settings.stateKeyFile))
  const wallTime = (): number => clock.wallTime()
  const store = new SqliteStateStore({ directory, clock })
  try {
    const lease = Journal.over({
      lease: await store.lease(fleetName(runner), { signal, onWait, takeover }),
      clock,
      logger,
    })
    const jobs = new JobJournal({ journal: lease, seal, runner: runner.name })
    const tails = new KeptTails({
      directory: join(fleetDirectory(directory, fleetName(runner)), 'ends'),
      seal,
      onRemoved: (file) =>
        logger.error({ file }, 'the rest of the log of a job is dropped: too many ends wait to be reported'),
    })
    const left = await jobs.load()
    await tails.sweep(new Set(left.flatMap(({ end }) => (end as unknown as KeptEnd | undefined)?.tailFile ?? [])))
    return {
      lease,
      jobs,
      tails,
      left,
      fleetKey: await keptFleetKey(lease, seal),
      hostKeys: await KeptMap.load({
        journal: lease,
        prefix: 'host key ',
        most: maxHostKeys,
        wallTime,
        isValue: isText,
      }),
      logins: await KeptMap.load({
        journal: lease,
        prefix: 'login ',
        most: maxLogins,
        wallTime,
        isValue: isKnownLogin,
      }),
      pluginDir: pluginDirectory(settings, runner)!,
      close: async () => {
        await lease.release()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}
