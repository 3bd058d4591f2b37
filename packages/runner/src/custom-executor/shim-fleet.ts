import { hostname } from 'node:os'
import type { Clock, Logger, Random } from '@runner-core/fleeting'
import { ConcurrentIds, type JobExecutor } from '@runner-core/runner-executor'
import { InstanceExecutor } from '@runner-core/runner-instance-executor'
import type { FindPlugin } from '../config/checks/check-plugins.ts'
import { keptOutputBytes, type RunnerSettings, type Settings } from '../config/settings.ts'
import { type Fleet, startFleet } from '../fleet/fleet.ts'
import { openFleetState } from '../state/open-fleet-state.ts'

export interface ShimFleetOptions {
  readonly settings: Settings
  readonly runner: RunnerSettings
  /** Shared by the fleets of the process. */
  readonly concurrentIds: ConcurrentIds
  readonly claimGroup: (groupId: string) => void
  /** Tells this installation from others, the same after a restart. */
  readonly systemId?: string
  readonly findPlugin: FindPlugin
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The machines of one `[[runners]]` entry, for jobs that a GitLab Runner has taken. */
export class ShimFleet {
  readonly settings: RunnerSettings
  readonly executor: JobExecutor
  /** Parts of the build directories of jobs that are there at the same time. */
  readonly buildNumbers: ConcurrentIds = new ConcurrentIds()
  readonly #fleet: Fleet

  /** Thrown: what `startFleet` and `openFleetState` throw; nothing is left running then. */
  static async open(options: ShimFleetOptions, signal: AbortSignal): Promise<ShimFleet> {
    const { settings, runner, clock, logger } = options
    const onWait = ({ name }: { readonly name: string }): void =>
      logger.warn({}, `waiting: the fleet belongs to ${name}`)
    const state = await openFleetState({ settings, runner, onWait, clock, logger, signal })
    const observers = { provisioner: {}, taskscaler: {} }
    const starting = startFleet(
      { ...options, observers, freePlaces: () => Number.POSITIVE_INFINITY, manager: hostname(), state },
      signal,
    )
    const fleet = await starting.catch(async (error: unknown) => {
      await state?.close()
      throw error
    })
    // Their GitLab Runner has been told that they failed, when the daemon before ended.
    const { scaler } = fleet
    for (const { key } of scaler.restored()) scaler.dropRestored(key, 'the daemon that assigned it to a job has ended')
    return new ShimFleet(options, fleet)
  }

  private constructor({ runner, concurrentIds, clock, logger }: ShimFleetOptions, fleet: Fleet) {
    this.settings = runner
    this.#fleet = fleet
    this.executor = new InstanceExecutor({
      scaler: fleet.scaler,
      shell: runner.shell,
      buildsDir: runner.buildsDir,
      acquireTimeoutMs: runner.autoscaler.instanceAcquireTimeoutMs,
      concurrentIds,
      claims: fleet.claims,
      minFreeBytes: runner.minFreeBytes,
      ...(runner.detach && {
        detach: { limitBytes: keptOutputBytes(runner), reconnectGraceMs: runner.reconnectGraceMs },
      }),
      clock,
      logger,
    })
  }

  get scaler(): Fleet['scaler'] {
    return this.#fleet.scaler
  }

  /** Whether there is no instance, and none is coming. */
  get isEmpty(): boolean {
    return Object.values(this.#fleet.provisioner.counts()).every((count) => count === 0)
  }

  /**
   * Gives the machines back: no job may be there any more. Answers those that were to be removed and are not known to
   * be gone.
   */
  async close(): Promise<readonly string[]> {
    const { deleteInstancesOnShutdown, shutdownDeletionIntervalMs, shutdownDeletionRetries } = this.settings.autoscaler
    await this.executor.sweepsEnded()
    const { remaining } = await this.#fleet.scaler.shutdown({
      removeInstances: deleteInstancesOnShutdown,
      timeoutMs: shutdownDeletionIntervalMs * shutdownDeletionRetries,
    })
    await this.#fleet.state?.close()
    return remaining
  }
}
