import type Docker from 'dockerode'
import { matchesImageList, mayBePrivileged } from '../images/allowed-images.ts'
import { containerUser } from '../settings/container-user.ts'
import type { DeviceMapping } from '../settings/devices.ts'
import type { DockerSettings, StringMap } from '../settings/docker-settings.ts'
import type { GpuRequest } from '../settings/gpus.ts'
import type { JobNetwork } from '../settings/job-network.ts'
import type { NewContainer } from './create-container.ts'

/** What all containers of one job have in common. */
export interface ContainerContext {
  readonly settings: DockerSettings
  /** The Engine's, as in `1.41`. */
  readonly apiVersion: string
  /** What the container is found by. They win over `container_labels`. */
  readonly labels: StringMap
  readonly network: JobNetwork
  /** For `HostConfig.Binds`. */
  readonly binds: readonly string[]
  /** Options that bound the Engine's log of the container: `max-size`, `max-file`. */
  readonly logBounds: StringMap
  /** Replaces variables. */
  readonly expand: (text: string) => string
  /** `FF_USE_INIT_WITH_DOCKER_EXECUTOR`. */
  readonly usesInit: boolean
}

/** What a job says of one of its containers, variables expanded. */
export interface ContainerRequest {
  readonly image: string
  readonly user?: string | undefined
  readonly platform?: string | undefined
  /** Empty: the image's. */
  readonly entrypoint: readonly string[]
}

/** What a container is made with, as far as settings, network and mounts say it. */
export type ContainerParts = Omit<NewContainer, 'name'> & {
  /** For the trace. */
  readonly warnings: readonly string[]
}

type HostConfig = Docker.HostConfig

export interface JobContainerOptions {
  readonly request: ContainerRequest
  /** Where the settings name none. */
  readonly hostname: string
  /** Names and addresses of services where the network knows none: `name:address`. */
  readonly serviceHosts: readonly string[]
  /** Names in the network, where it knows any. */
  readonly aliases: readonly string[]
}

/** For the container that the job's own lines run in. Thrown: `JobError` `not_allowed` for its user. */
export function jobContainerParts(context: ContainerContext, options: JobContainerOptions): ContainerParts {
  const { settings } = context
  const { request, hostname, serviceHosts, aliases } = options
  const user = containerUser(settings, request.user)
  const entrypoint = chosenEntrypoint(settings, request)
  return {
    platform: request.platform,
    warnings: entrypoint.warnings,
    body: {
      ...commonBody(context, aliases, settings.macAddress),
      ...(user !== undefined && { User: user }),
      ...(entrypoint.value !== undefined && { Entrypoint: entrypoint.value }),
      Hostname: settings.hostname ?? hostname,
      HostConfig: {
        ...confinedHostConfig(context, serviceHosts),
        ...given('PidMode', settings.pidMode),
        ...given('IpcMode', settings.ipcMode),
        ...given('DeviceRequests', deviceRequests(settings.gpus)),
        ...(context.usesInit && { Init: true }),
        Privileged: settings.privileged && mayBePrivileged(settings.allowedPrivilegedImages, request.image),
        GroupAdd: [...settings.groupAdd],
        CapAdd: [...settings.capAdd],
        Devices: engineDevices(settings.devices),
        DeviceCgroupRules: [...settings.deviceCgroupRules],
        Links: [...settings.links],
        Tmpfs: { ...settings.tmpfs },
        ...(settings.oomKillDisable && { OomKillDisable: true }),
      },
    },
  }
}

/**
 * For a container of the helper's image, which shares mounts and network with the job's. It has all bounds of the job's
 * container, since hooks of the job run in it, and none of its privileges.
 */
export function helperContainerParts(
  context: ContainerContext,
  { hostname, serviceHosts }: Pick<JobContainerOptions, 'hostname' | 'serviceHosts'>,
): ContainerParts {
  return {
    warnings: [],
    body: {
      ...commonBody(context, [], undefined),
      Hostname: context.settings.hostname ?? hostname,
      HostConfig: confinedHostConfig(context, serviceHosts),
    },
  }
}

/** For a service. Its variables and its command are the caller's. */
export function serviceContainerParts(
  context: ContainerContext,
  { request, aliases }: Pick<JobContainerOptions, 'request' | 'aliases'>,
): ContainerParts {
  const { settings } = context
  const entrypoint = chosenEntrypoint(settings, request)
  const isPrivileged = settings.servicesPrivileged ?? settings.privileged
  const devices = Object.entries(settings.servicesDevices).flatMap(([pattern, each]) =>
    matchesImageList([pattern], request.image) ? each : [],
  )
  return {
    platform: request.platform,
    warnings: entrypoint.warnings,
    body: {
      ...commonBody(context, aliases, undefined),
      ...given('User', request.user || undefined),
      ...given('Entrypoint', entrypoint.value),
      HostConfig: {
        ...commonHostConfig(context, []),
        ...given('Memory', settings.serviceMemoryBytes),
        ...given('MemorySwap', settings.serviceMemorySwapBytes),
        ...given('MemoryReservation', settings.serviceMemoryReservationBytes),
        ...given('NanoCpus', settings.serviceNanoCpus),
        ...given('CpuShares', settings.serviceCpuShares),
        ...given('CpusetCpus', settings.serviceCpusetCpus),
        ...given('CgroupParent', settings.serviceCgroupParent),
        ...given('DeviceRequests', deviceRequests(settings.serviceGpus)),
        ...(context.usesInit && { Init: true }),
        Privileged: isPrivileged && mayBePrivileged(settings.allowedPrivilegedServices, request.image),
        SecurityOpt: [...settings.servicesSecurityOpt],
        Devices: engineDevices(devices),
        Tmpfs: { ...settings.servicesTmpfs },
      },
    },
  }
}

function commonBody(
  { settings, labels, network, apiVersion, expand }: ContainerContext,
  aliases: readonly string[],
  macAddress: string | undefined,
): Docker.ContainerCreateOptions {
  const ofConfiguration = Object.entries(settings.containerLabels).map(([key, value]) => [key, expand(value)])
  const isOnEndpoint = macAddress !== undefined && takesMacAddressOnEndpoint(apiVersion)
  const endpoint = {
    ...(network.hasNames && { Aliases: [...aliases] }),
    ...(isOnEndpoint && { MacAddress: macAddress }),
  }
  return {
    Labels: { ...Object.fromEntries(ofConfiguration), ...labels },
    ...(macAddress !== undefined && !isOnEndpoint && { MacAddress: macAddress }),
    ...(Object.keys(endpoint).length > 0 && { NetworkingConfig: { EndpointsConfig: { [network.mode]: endpoint } } }),
  }
}

/** Older Engines take it from the container's own settings, newer ones from those of its end in a network. */
function takesMacAddressOnEndpoint(apiVersion: string): boolean {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number)
  return major > 1 || minor >= 44
}

/** What jobs, their helpers and services have. */
function commonHostConfig(
  { settings, network, binds, logBounds }: ContainerContext,
  serviceHosts: readonly string[],
): HostConfig {
  return {
    ...given('Runtime', settings.runtime),
    ...given('UsernsMode', settings.usernsMode),
    ...given('ShmSize', settings.shmSizeBytes),
    ...given('Isolation', settings.isolation),
    Dns: [...settings.dns],
    DnsSearch: [...settings.dnsSearch],
    ExtraHosts: [...settings.extraHosts, ...serviceHosts],
    NetworkMode: network.mode,
    Binds: [...binds],
    LogConfig: { Type: 'json-file', Config: { ...settings.logOptions, ...logBounds } },
    RestartPolicy: { Name: 'no' },
  }
}

/** What a job and its helper have: all that takes away. */
function confinedHostConfig(context: ContainerContext, serviceHosts: readonly string[]): HostConfig {
  const { settings } = context
  return {
    ...commonHostConfig(context, serviceHosts),
    ...given('Memory', settings.memoryBytes),
    ...given('MemorySwap', settings.memorySwapBytes),
    ...given('MemoryReservation', settings.memoryReservationBytes),
    ...given('NanoCpus', settings.nanoCpus),
    ...given('CpuShares', settings.cpuShares),
    ...given('CpusetCpus', settings.cpusetCpus),
    ...given('CpusetMems', settings.cpusetMems),
    ...given('CgroupParent', settings.cgroupParent),
    ...given('OomScoreAdj', settings.oomScoreAdjust),
    ...given('VolumeDriver', settings.volumeDriver),
    CapDrop: [...settings.capDrop],
    SecurityOpt: [...settings.securityOpt],
    Sysctls: { ...settings.sysctls },
    Ulimits: settings.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    VolumesFrom: [...settings.volumesFrom],
  }
}

function chosenEntrypoint(
  { disableEntrypointOverwrite }: DockerSettings,
  { entrypoint, image }: ContainerRequest,
): { readonly value: string[] | undefined; readonly warnings: readonly string[] } {
  if (entrypoint.length === 0) return { value: undefined, warnings: [] }
  if (!disableEntrypointOverwrite) return { value: [...entrypoint], warnings: [] }
  const warning = `the entrypoint given for ${image} is ignored: disable_entrypoint_overwrite of the runner is set`
  return { value: undefined, warnings: [warning] }
}

function engineDevices(devices: readonly DeviceMapping[]): object[] {
  return devices.map(({ hostPath, containerPath, permissions }) => ({
    PathOnHost: hostPath,
    PathInContainer: containerPath,
    CgroupPermissions: permissions,
  }))
}

function deviceRequests(gpus: GpuRequest | undefined): Docker.DeviceRequest[] | undefined {
  if (gpus === undefined) return undefined
  const { count, deviceIds, driver, capabilities, options } = gpus
  return [
    {
      ...given('Driver', driver),
      ...given('Count', count),
      ...(deviceIds.length > 0 && { DeviceIDs: [...deviceIds] }),
      Capabilities: [[...capabilities]],
      Options: { ...options },
    },
  ]
}

/** A property where there is a value for it. */
function given<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Value })
}
