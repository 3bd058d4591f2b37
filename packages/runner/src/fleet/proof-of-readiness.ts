import type { Clock, Logger } from '@runner-core/fleeting'
import { type SlotClaims, sweepSlots } from '@runner-core/runner-instance-executor'
import type { ReadyCheck, Taskscaler } from '@runner-core/taskscaler'
import type { RunnerSettings } from '../config/settings.ts'
import { engineTarget } from './engine-plugin.ts'
import { readyCommand } from './ready-command.ts'

export interface ProofOfReadinessOptions {
  readonly runner: Pick<RunnerSettings, 'buildsDir' | 'minFreeBytes' | 'autoscaler' | 'docker'>
  readonly claims: SlotClaims | undefined
  /** Whose instances they are, once it has started. */
  readonly scaler: Promise<Pick<Taskscaler, 'restored'>>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * What an instance must pass before its first job: the configured command, and a look that nothing of an earlier job is
 * alive in its slots; where jobs run in containers, that its Engine answers. A host that is lent again passes it again.
 */
export function proofOfReadiness({ runner, claims, scaler, clock, logger }: ProofOfReadinessOptions): ReadyCheck {
  const { buildsDir, minFreeBytes, autoscaler, docker } = runner
  const command =
    autoscaler.instanceReadyCommand === undefined ? undefined : readyCommand(autoscaler.instanceReadyCommand)
  return async (instance, connection, signal) => {
    await command?.(instance, connection, signal)
    if (docker !== undefined) {
      const { proveEngine } = await import('@runner-core/runner-docker-executor')
      return await proveEngine(connection, { target: engineTarget(docker), clock, signal })
    }
    if (claims === undefined) return
    const lent = await scaler
    const isLent = (slot: number): boolean =>
      lent.restored().some((loan) => loan.instanceId === instance.id && loan.slot === slot)
    await sweepSlots(
      connection,
      { buildsDir, minFreeBytes, claims, isLent, instanceId: instance.id, clock, logger },
      signal,
    )
  }
}
