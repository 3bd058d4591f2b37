import type { Clock, Logger, Random } from '@runner-core/fleeting'
import type { WarmUp } from '@runner-core/taskscaler'
import type { RunnerSettings } from '../config/settings.ts'
import { engineTarget } from './engine-plugin.ts'

export interface WarmImagesOptions {
  readonly runner: Pick<RunnerSettings, 'docker' | 'environment'>
  /** Of this process. @defaultValue that of `process` */
  readonly environment?: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** `prewarm_images`; undefined: there are none. */
export async function warmImages({
  runner: { docker, environment: environmentVariables },
  environment = process.env,
  ...context
}: WarmImagesOptions): Promise<WarmUp | undefined> {
  if (docker === undefined || docker.prewarmImages.length === 0) return undefined
  const { ImageWarmer } = await import('@runner-core/runner-docker-executor')
  return new ImageWarmer({
    images: docker.prewarmImages,
    target: engineTarget(docker),
    environmentVariables,
    environment,
    ...context,
  })
}
