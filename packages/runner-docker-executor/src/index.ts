/**
 * Runs one CI job in containers of a Docker Engine.
 *
 * @module
 */

export type { OwnInstances } from './cleanup/engine-sweeper.ts'
export { DockerExecutor, type DockerExecutorOptions, type OutlivingOptions } from './docker-executor.ts'
export { type DialEngine, Engine, type OpenEngineOptions } from './engine/engine.ts'
export { EngineError, type EngineErrorCode } from './engine/engine-error.ts'
export { engineGroup } from './engine/engine-group.ts'
export { openEngineSocket } from './engine/open-socket.ts'
export { proveEngine } from './engine/prove-engine.ts'
export { imageListProblems } from './images/allowed-images.ts'
export { ImageWarmer, type ImageWarmerOptions } from './images/image-warmer.ts'
export { type ListedImage, listedImageProblem } from './listed-image.ts'
export { type DeviceMapping, parseDevice } from './settings/devices.ts'
export type {
  ConfiguredService,
  DockerSettings,
  LogOptions,
  PullPolicy,
  StringMap,
} from './settings/docker-settings.ts'
export { type EngineAddress, parseEngineAddress } from './settings/engine-address.ts'
export { type GpuRequest, parseGpus } from './settings/gpus.ts'
export { parseCpus, parseMemorySize, parseSwapSize } from './settings/sizes.ts'
export { parseLimits, type ResourceLimit } from './settings/ulimits.ts'
export { parseVolumeSpec, type VolumeSpec } from './settings/volume-spec.ts'
