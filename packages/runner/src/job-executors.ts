import type { Clock, Logger, Random } from '@runner-core/fleeting'
import type { Provisioner } from '@runner-core/fleeting/provisioner'
import type { FleetLease } from '@runner-core/fleeting/state'
import type { ConcurrentIds, JobExecutor } from '@runner-core/runner-executor'
import { InstanceExecutor, type LoginMemory, type SlotClaims } from '@runner-core/runner-instance-executor'
import type { Taskscaler } from '@runner-core/taskscaler'
import { fleetName, keptOutputBytes, type RunnerSettings } from './config/settings.ts'
import { engineTarget } from './fleet/engine-plugin.ts'
import { ownInstances } from './fleet/own-instances.ts'
import type { RunnerFeature } from './gitlab/runner-info.ts'
import { shortToken } from './identity/short-token.ts'

/** What an executor is made of. */
export interface ExecutorParts {
  readonly settings: RunnerSettings
  readonly systemId: string
  readonly environment: NodeJS.ProcessEnv
  readonly scaler: Taskscaler
  readonly provisioner: Pick<Provisioner, 'connect'>
  /** Of the fleet. Absent: its state is not kept. */
  readonly lease: Pick<FleetLease, 'write'> | undefined
  readonly concurrentIds: ConcurrentIds
  readonly claims: SlotClaims | undefined
  readonly logins: LoginMemory | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Makes the executors that runners are configured with. */
export class JobExecutors {
  /** Undefined: no runner has one. */
  readonly #docker: typeof import('@runner-core/runner-docker-executor') | undefined

  private constructor(docker: typeof import('@runner-core/runner-docker-executor') | undefined) {
    this.#docker = docker
  }

  /** Loads what these runners need: a client of the Engine costs time and memory. */
  static async load(runners: readonly RunnerSettings[]): Promise<JobExecutors> {
    const hasContainers = runners.some(({ docker }) => docker !== undefined)
    return new JobExecutors(hasContainers ? await import('@runner-core/runner-docker-executor') : undefined)
  }

  /** What a runner's executor adds to what GitLab is told. */
  features({ docker }: RunnerSettings): readonly RunnerFeature[] {
    const executor = docker === undefined ? InstanceExecutor : this.#docker!.DockerExecutor
    return executor.features as readonly RunnerFeature[]
  }

  create(parts: ExecutorParts): JobExecutor {
    return parts.settings.docker === undefined ? instanceExecutor(parts) : this.#dockerExecutor(parts)
  }

  #dockerExecutor({ settings, provisioner, lease, ...parts }: ExecutorParts): JobExecutor {
    const { docker, autoscaler, cache, cacheDir, detach, reconnectGraceMs, environment, buildsDir, token } = settings
    return new this.#docker!.DockerExecutor({
      ...parts,
      settings: docker!,
      target: engineTarget(docker!),
      fleet: `${fleetName(settings)}/${shortToken(token)}/${parts.systemId}`,
      shortToken: shortToken(token),
      buildsDir,
      cacheDir: cache.type === undefined ? cacheDir : undefined,
      environmentVariables: environment,
      acquireTimeoutMs: autoscaler.instanceAcquireTimeoutMs,
      logBytes: Math.max(leastLogBytes, keptOutputBytes(settings)),
      ...(detach && { outlives: { reconnectGraceMs } }),
      instances: ownInstances({ scaler: parts.scaler, provisioner, lease }),
    })
  }
}

/** Of what a container prints, beside what its job's log takes. */
const leastLogBytes = 50_000_000

function instanceExecutor({ settings, ...parts }: ExecutorParts): JobExecutor {
  const { autoscaler, shell, buildsDir, minFreeBytes, trust, detach, reconnectGraceMs } = settings
  return new InstanceExecutor({
    ...parts,
    shell,
    buildsDir,
    minFreeBytes,
    acquireTimeoutMs: autoscaler.instanceAcquireTimeoutMs,
    // What serves one job has nothing to keep from the next one.
    trust: autoscaler.maxUseCount === 1 ? 'none' : (trust ?? 'all'),
    ...(detach && { detach: { limitBytes: keptOutputBytes(settings), reconnectGraceMs } }),
  })
}
