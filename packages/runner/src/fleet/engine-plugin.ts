import type { DialTarget } from '@runner-core/fleeting'
import type { DockerSettings } from '@runner-core/runner-docker-executor'
import type { FindPlugin } from '../config/checks/check-plugins.ts'
import { enginePlugin } from '../config/executor-tables.ts'
import type { RunnerSettings } from '../config/settings.ts'

/** Finds a runner's plugin; that of `executor = "docker"` is built in: a group of one Engine. */
export async function findGroupPlugin(
  { autoscaler: { plugin }, docker }: RunnerSettings,
  findPlugin: FindPlugin,
  environment: NodeJS.ProcessEnv = process.env,
): ReturnType<FindPlugin> {
  if (plugin !== enginePlugin || docker === undefined) return await findPlugin(plugin)
  // Loaded where it is used only: it brings a client of the Engine.
  const { engineGroup, openEngineSocket } = await import('@runner-core/runner-docker-executor')
  return { createInstanceGroup: engineGroup(openEngineSocket(docker, environment)) }
}

/**
 * Where the Engine listens, as seen from an instance. With `executor = "docker"` every dial leads to the Engine,
 * whatever this is.
 */
export function engineTarget({ host }: Pick<DockerSettings, 'host'>): DialTarget {
  if (host === undefined) return { socketPath: '/var/run/docker.sock' }
  return 'socketPath' in host ? host : { host: host.hostname, port: host.port }
}
