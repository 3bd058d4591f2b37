/**
 * A configuration after reading: camel case, units in the names, defaults filled in. docs/reference/config.md says what
 * each key means.
 *
 * @module
 */
import type { ConnectorConfig } from '@runner-core/fleeting'
import type { UnknownInstances } from '@runner-core/fleeting/provisioner'
import type { DockerSettings } from '@runner-core/runner-docker-executor'
import type { Trust } from '@runner-core/runner-instance-executor'
import type { IdlePolicy } from '@runner-core/taskscaler'
import type { ListenAddress } from './tables/kinds.ts'

export type { ListenAddress }

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
/** `runner` is GitLab Runner's word for `text`. */
export type LogFormat = 'text' | 'json' | 'runner'

/** The whole file. */
export interface Settings {
  /** Jobs at once over all runners. `Infinity`: each runner's own bounds decide. */
  readonly concurrent: number
  readonly checkIntervalMs: number
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
  readonly listenAddress?: ListenAddress
  /** In lower case. */
  readonly listenHosts?: readonly string[]
  readonly shutdownTimeoutMs: number
  /**
   * Where what must outlive the process is kept. Absent: where a runner's own `stateStorage` says, or nowhere; see
   * `stateDirectory`.
   */
  readonly stateDir?: string
  readonly stateKeyFile: string
  readonly runners: readonly RunnerSettings[]
}

/**
 * `instance`: in the login's shell on an instance. `docker-autoscaler`: in containers of an instance's Engine.
 * `docker`: in containers of one Engine that is there.
 */
type Executor = 'instance' | 'docker-autoscaler' | 'docker'

/** `[[runners]]` */
export interface RunnerSettings {
  readonly name: string
  readonly id?: number
  readonly url: string
  readonly token: string
  readonly tlsCaFile?: string
  readonly tlsCertFile?: string
  readonly tlsKeyFile?: string
  readonly executor: Executor
  readonly shell: 'bash' | 'sh'
  readonly buildsDir: string
  /** Bytes; 0: nobody looks. */
  readonly minFreeBytes: number
  readonly cacheDir: string
  readonly cache: CacheSettings
  /** Host names and addresses, in lower case. */
  readonly artifactHosts: readonly string[]
  readonly debugTraceDisabled: boolean
  /** Whose jobs may follow each other on an instance. Absent: nobody said; as `all`. */
  readonly trust?: Trust
  readonly environment: readonly { readonly key: string; readonly value: string }[]
  /** Shell text for all jobs; empty: none. So are the three that follow. */
  readonly preGetSourcesScript: string
  readonly postGetSourcesScript: string
  readonly preBuildScript: string
  readonly postBuildScript: string
  /** Empty: as the job says. */
  readonly cloneUrl: string
  /** Those that are heeded. */
  readonly featureFlags: Readonly<Record<string, boolean>>
  /** 0: only the job's own limit. */
  readonly prepareTimeoutMs: number
  /** 0: only the job's own limit. */
  readonly getSourcesTimeoutMs: number
  readonly customBuildDir: CustomBuildDirSettings
  /** Jobs at once; `Infinity`: no bound of its own. */
  readonly limit: number
  readonly requestConcurrency: number
  readonly strictCheckInterval: boolean
  readonly outputLimitBytes: number
  /** Whether jobs outlive their connection. */
  readonly detach: boolean
  readonly reconnectGraceMs: number
  readonly unhealthyRequestsLimit: number
  readonly unhealthyIntervalMs: number
  readonly finalUpdateRetryLimit: number
  readonly monitoring: MonitoringSettings
  /** Of the built-in group where the executor is `docker`. */
  readonly autoscaler: AutoscalerSettings
  /** There with the executors that have containers. */
  readonly docker?: DockerSettings
}

/** `[runners.custom_build_dir]` */
export interface CustomBuildDirSettings {
  /** Absent: only directories that no other job has may be chosen. */
  readonly enabled?: boolean
}

/** `[runners.cache]` */
export interface CacheSettings {
  /** Absent: caches are the machines' own. */
  readonly type?: 's3'
  readonly path?: string
  readonly shared: boolean
  /** Bytes; 0: no bound. */
  readonly maxUploadedArchiveSize: number
  readonly s3: S3CacheSettings
}

/** `[runners.cache.s3]` */
export interface S3CacheSettings {
  readonly serverAddress: string
  /** There with type `s3`. */
  readonly bucketName?: string
  readonly bucketLocation: string
  readonly accessKey?: string
  readonly secretKey?: string
  readonly sessionToken?: string
  readonly authenticationType?: 'access-key' | 'iam'
  readonly insecure: boolean
  readonly pathStyle?: boolean
}

/** `[runners.monitoring]` */
export interface MonitoringSettings {
  readonly jobQueuingDurations: readonly JobQueuingDuration[]
}

/** `[[runners.monitoring.job_queuing_durations]]` */
export interface JobQueuingDuration {
  readonly periods: readonly string[]
  readonly timezone?: string
  /** 0: any duration is acceptable. */
  readonly thresholdMs: number
  readonly jobsRunningForProject?: RegExp
}

/** `[runners.autoscaler]` */
export interface AutoscalerSettings {
  /** What the instances are found again by. Default: the runner's name, see {@link fleetName}. */
  readonly fleet?: string
  readonly plugin: string
  readonly pluginConfig: Readonly<Record<string, unknown>>
  readonly capacityPerInstance: number
  /** 0: no bound. */
  readonly maxUseCount: number
  /** 0: the group's own maximum. */
  readonly maxInstances: number
  readonly instanceReadyCommand?: string
  readonly instanceAcquireTimeoutMs: number
  readonly updateIntervalMs: number
  readonly updateIntervalWhenExpectingMs: number
  readonly deletionRetryIntervalMs: number
  readonly shutdownDeletionIntervalMs: number
  readonly shutdownDeletionRetries: number
  readonly failureThreshold: number
  readonly deleteInstancesOnShutdown: boolean
  readonly unknownInstances: UnknownInstances
  readonly takeOverGroup: boolean
  readonly stateStorage?: StateStorageSettings
  /** Upper bounds of histogram buckets, seconds, in any order. */
  readonly instanceOperationTimeBuckets?: readonly number[]
  readonly instanceCreationTimeBuckets?: readonly number[]
  readonly instanceIsRunningTimeBuckets?: readonly number[]
  readonly instanceDeletionTimeBuckets?: readonly number[]
  readonly instanceReadinessTimeBuckets?: readonly number[]
  readonly instanceLifeDurationBuckets?: readonly number[]
  readonly scaleThrottle: ScaleThrottle
  readonly connector: ConnectorConfig
  readonly policies: readonly IdlePolicy[]
}

/** `[runners.autoscaler.state_storage]` */
export interface StateStorageSettings {
  readonly enabled: boolean
  /** Filled in when the file leaves it out. */
  readonly dir?: string
  readonly keepInstanceWithAcquisitions: boolean
}

/** `[runners.autoscaler.scale_throttle]`: a token bucket. */
export interface ScaleThrottle {
  /** New instances per second; `Infinity`: no throttle. */
  readonly perSecond: number
  readonly burst?: number
}

/** The name of a runner's fleet. */
export function fleetName(runner: RunnerSettings): string {
  return runner.autoscaler.fleet ?? runner.name
}

/**
 * What of a job's output its machine keeps: all that may come into the log, and as much again as masking and the parts
 * that are no output may take away.
 */
export function keptOutputBytes({ outputLimitBytes }: RunnerSettings): number {
  return Math.ceil(outputLimitBytes * 1.25) + 1024 * 1024
}
