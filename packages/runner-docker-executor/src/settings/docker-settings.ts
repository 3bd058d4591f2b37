/**
 * `[runners.docker]` after reading: camel case, units in the names, texts parsed as far as they can be without a job.
 * docs/reference/config.md says what each key means.
 *
 * @module
 */

import type { DeviceMapping } from './devices.ts'
import type { EngineAddress } from './engine-address.ts'
import type { GpuRequest } from './gpus.ts'
import type { ResourceLimit } from './ulimits.ts'
import type { VolumeSpec } from './volume-spec.ts'

export type PullPolicy = 'always' | 'if-not-present' | 'never'

export type StringMap = Readonly<Record<string, string>>

/** `[runners.docker]`. What is absent is the Engine's, or the image's, own default. */
export interface DockerSettings {
  /** Absent: `DOCKER_HOST`, else `/var/run/docker.sock`. */
  readonly host?: EngineAddress
  /** Directory with `ca.pem`, `cert.pem` and `key.pem`. */
  readonly tlsCertPath?: string
  readonly tlsVerify: boolean

  /** For jobs that name none. With variables, as all names of images here. */
  readonly image?: string
  readonly helperImage?: string
  readonly helperImageFlavor?: string
  readonly prewarmImages: readonly string[]
  /** One or more, tried in turn. */
  readonly pullPolicies: readonly PullPolicy[]
  /** Of what a job may ask for. Absent: `pullPolicies`. */
  readonly allowedPullPolicies?: readonly PullPolicy[]
  /** Patterns; empty: all. So are the three below. */
  readonly allowedImages: readonly string[]
  readonly allowedServices: readonly string[]
  readonly allowedPrivilegedImages: readonly string[]
  readonly allowedPrivilegedServices: readonly string[]
  readonly disableEntrypointOverwrite: boolean

  readonly privileged: boolean
  /** Absent: `privileged`. */
  readonly servicesPrivileged?: boolean
  readonly capAdd: readonly string[]
  readonly capDrop: readonly string[]
  /** With the content of a seccomp profile, where the file has its path. */
  readonly securityOpt: readonly string[]
  readonly servicesSecurityOpt: readonly string[]
  readonly user?: string
  /** Empty: `user` alone where it is set, else all. */
  readonly allowedUsers: readonly string[]
  readonly groupAdd: readonly string[]
  readonly usernsMode?: string
  readonly runtime?: string
  readonly isolation?: 'default'
  readonly pidMode?: string
  readonly ipcMode?: string
  readonly sysctls: StringMap
  readonly ulimits: readonly ResourceLimit[]

  readonly devices: readonly DeviceMapping[]
  readonly deviceCgroupRules: readonly string[]
  /** By a pattern for the service's image. */
  readonly servicesDevices: Readonly<Record<string, readonly DeviceMapping[]>>
  readonly gpus?: GpuRequest
  readonly serviceGpus?: GpuRequest

  readonly memoryBytes?: number
  /** -1: no bound. */
  readonly memorySwapBytes?: number
  readonly memoryReservationBytes?: number
  readonly nanoCpus?: number
  readonly cpuShares?: number
  readonly cpusetCpus?: string
  readonly cpusetMems?: string
  readonly cgroupParent?: string
  readonly shmSizeBytes?: number
  readonly oomKillDisable: boolean
  readonly oomScoreAdjust?: number
  readonly serviceMemoryBytes?: number
  /** -1: no bound. */
  readonly serviceMemorySwapBytes?: number
  readonly serviceMemoryReservationBytes?: number
  readonly serviceNanoCpus?: number
  readonly serviceCpuShares?: number
  readonly serviceCpusetCpus?: string
  readonly serviceCgroupParent?: string

  readonly hostname?: string
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly extraHosts: readonly string[]
  readonly links: readonly string[]
  /** Absent: a network of the job's own where it needs one, else the Engine's default. */
  readonly networkMode?: string
  readonly networkMtu?: number
  readonly enableIpv6: boolean
  readonly macAddress?: string

  readonly volumes: readonly VolumeSpec[]
  readonly volumesFrom: readonly string[]
  readonly volumeDriver?: string
  readonly volumeDriverOptions: StringMap
  /** Whether anonymous volumes stay when their container goes. */
  readonly volumeKeep: boolean
  /** Directory on the Engine's machine for what would else be volumes. */
  readonly cacheDir?: string
  readonly disableCache: boolean
  /** Options of mount by path. */
  readonly tmpfs: StringMap
  readonly servicesTmpfs: StringMap

  readonly services: readonly ConfiguredService[]
  /** `Infinity`: no bound. */
  readonly servicesLimit: number
  /** 0: services are not waited for. */
  readonly waitForServicesMs: number

  readonly containerLabels: StringMap
  readonly logOptions: LogOptions
}

/** `[[runners.docker.services]]`: a service that every job has. */
export interface ConfiguredService {
  readonly name: string
  /** Names, separated by spaces or commas. */
  readonly alias?: string
  readonly command: readonly string[]
  readonly entrypoint: readonly string[]
  readonly environment: readonly { readonly key: string; readonly value: string }[]
}

/** Names of variables and labels that go into each line of the Engine's log, separated by commas. */
export interface LogOptions {
  readonly env?: string
  readonly labels?: string
}
