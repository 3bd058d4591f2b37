import type { RunnerSettings } from '@runner-core/runner/internals'
import { dockerSettings } from './container-settings.ts'
import { runnerToken } from './coordinator/world-coordinator.ts'
import type { ManagerOptions } from './manager-options.ts'

const second = 1000
const minute = 60 * second

/** What the configuration of the world's runner says, after reading. */
export function runnerSettings(
  options: Pick<
    ManagerOptions,
    | 'capacityPerInstance'
    | 'projects'
    | 'maxUseCount'
    | 'maxInstances'
    | 'requestConcurrency'
    | 'detaches'
    | 'shell'
    | 'inContainers'
    | 'unknownInstances'
    | 'policies'
    | 'takeOverGroup'
  >,
): RunnerSettings {
  const {
    capacityPerInstance,
    projects,
    maxUseCount,
    maxInstances,
    requestConcurrency,
    detaches,
    shell,
    inContainers = false,
    unknownInstances,
    policies,
    takeOverGroup = true,
  } = options
  return {
    name: 'world',
    url: 'http://gitlab.world',
    token: runnerToken,
    executor: inContainers ? 'docker-autoscaler' : 'instance',
    ...(inContainers && { docker: dockerSettings }),
    shell,
    ...(projects !== undefined && !inContainers && { trust: 'project' }),
    buildsDir: inContainers ? '/builds' : 'builds',
    // The world's disks are as small as a look would refuse.
    minFreeBytes: 0,
    cacheDir: inContainers ? '/cache' : 'cache',
    cache: { shared: false, maxUploadedArchiveSize: 0, s3: { serverAddress: '', bucketLocation: '', insecure: false } },
    artifactHosts: [],
    debugTraceDisabled: false,
    environment: [],
    preGetSourcesScript: '',
    postGetSourcesScript: '',
    preBuildScript: '',
    postBuildScript: '',
    cloneUrl: '',
    featureFlags: {},
    prepareTimeoutMs: 0,
    getSourcesTimeoutMs: 0,
    customBuildDir: {},
    // More than there can be slots, so that capacity is what decides.
    limit: maxInstances * capacityPerInstance + 2,
    requestConcurrency,
    outputLimitBytes: 256 * 1024,
    detach: detaches,
    reconnectGraceMs: minute,
    unhealthyRequestsLimit: 3,
    strictCheckInterval: false,
    unhealthyIntervalMs: minute,
    finalUpdateRetryLimit: 10,
    monitoring: { jobQueuingDurations: [] },
    autoscaler: {
      plugin: 'world',
      pluginConfig: {},
      capacityPerInstance,
      maxUseCount,
      maxInstances,
      instanceAcquireTimeoutMs: 4 * minute,
      updateIntervalMs: 30 * second,
      updateIntervalWhenExpectingMs: 5 * second,
      deletionRetryIntervalMs: 10 * second,
      shutdownDeletionIntervalMs: 10 * second,
      shutdownDeletionRetries: 6,
      failureThreshold: 3,
      deleteInstancesOnShutdown: true,
      unknownInstances,
      takeOverGroup,
      scaleThrottle: { perSecond: 0.5, burst: 4 },
      connector: {},
      policies,
    },
  }
}
