import type { ContainerInspectInfo } from 'dockerode'
import { createContainer } from '../containers/create-container.ts'
import { type ContainerContext, serviceContainerParts } from '../containers/host-config.ts'
import type { Engine } from '../engine/engine.ts'
import type { PlannedService } from './service-plan.ts'
import { servicePorts } from './service-ports.ts'

/** What the trace is told of services. */
export interface ServiceReport {
  line(text: string): void
  warning(text: string): void
}

/** An image that is on the Engine. */
interface ServiceImage {
  readonly id: string
  /** Undefined: none was asked for. */
  readonly platform?: string | undefined
}

export interface StartServicesOptions {
  readonly context: ContainerContext
  readonly services: readonly PlannedService[]
  /** The image of a service, pulled. */
  readonly image: (service: PlannedService) => Promise<ServiceImage>
  /** `KEY=value`; see `serviceEnvironment`. */
  readonly environment: (service: PlannedService) => readonly string[]
  /** Unique for this attempt to run the job. */
  readonly containerName: (service: PlannedService) => string
  readonly report: ServiceReport
  readonly signal: AbortSignal
}

/** A service whose container was started. */
export interface StartedService {
  readonly id: string
  readonly title: string
  readonly aliases: readonly string[]
  readonly addresses: readonly string[]
  /** TCP ports by which it is known to be up. */
  readonly ports: readonly number[]
  readonly hasHealthCheck: boolean
}

/**
 * Starts all services, each with its image, at the same time. Rejects with the first failure, `EngineError` or what
 * `image` throws, once none is being started any more: what was made carries the labels of the job.
 */
export async function startServices(engine: Engine, options: StartServicesOptions): Promise<readonly StartedService[]> {
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const starts = await Promise.allSettled(
    options.services.map(async (service) => {
      try {
        return await startService(engine, service, { ...options, signal })
      } catch (error) {
        stop.abort(error)
        throw error
      }
    }),
  )
  options.signal.throwIfAborted()
  return starts.map((start) => {
    if (start.status === 'rejected') throw stop.signal.reason
    return start.value
  })
}

async function startService(
  engine: Engine,
  service: PlannedService,
  { context, image, environment, containerName, report, signal }: StartServicesOptions,
): Promise<StartedService> {
  const { title, aliases, entrypoint, command, user } = service
  report.line(`Starting service ${title}...`)
  const { id: imageId, platform } = await image(service)
  const request = { image: service.image, entrypoint, user, platform }
  const { body, warnings } = serviceContainerParts(context, { request, aliases })
  for (const warning of warnings) report.warning(warning)
  const id = await createContainer(
    engine,
    `creating the container of service ${title}`,
    {
      name: containerName(service),
      platform,
      body: {
        ...body,
        Image: imageId,
        Env: [...environment(service)],
        ...(command.length > 0 && { Cmd: [...command] }),
      },
    },
    signal,
  )
  await engine.call(`starting service ${title}`, signal, (docker, abortSignal) =>
    docker.getContainer(id).start({ abortSignal }),
  )
  const inspected = await engine.call(`looking at service ${title}`, signal, (docker, abortSignal) =>
    docker.getContainer(id).inspect({ abortSignal }),
  )
  return { id, title, aliases, ...reachOf(inspected) }
}

function reachOf({ Config, NetworkSettings }: ContainerInspectInfo): Omit<StartedService, 'id' | 'title' | 'aliases'> {
  const networks = Object.values(NetworkSettings.Networks ?? {})
  const test = (Config as { readonly Healthcheck?: { readonly Test?: readonly string[] } }).Healthcheck?.Test
  return {
    addresses: networks.flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address]).filter(Boolean),
    ports: servicePorts(Config),
    hasHealthCheck: test !== undefined && test.length > 0 && test[0] !== 'NONE',
  }
}

/**
 * The names of services as hosts of the other containers, for networks that know no names: `name:address`. In a network
 * that containers share with their machine, a service is at the loopback address.
 */
export function serviceHosts(
  { mode, hasNames }: ContainerContext['network'],
  services: readonly Pick<StartedService, 'aliases' | 'addresses'>[],
): readonly string[] {
  if (hasNames) return []
  const isShared = mode === 'host' || mode.startsWith('container:')
  return services.flatMap(({ aliases, addresses }) =>
    aliases.flatMap((alias) => (isShared ? ['127.0.0.1'] : addresses).map((address) => `${alias}:${address}`)),
  )
}
