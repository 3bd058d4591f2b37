/**
 * Plugins from registries: OCI artifacts as upstream's `fleeting-artifact` makes them, installed where upstream's
 * runner finds them too.
 *
 * @module
 */

export { pluginDirectory } from '../find-go-plugin.ts'
export { InstallError, type InstallErrorCode } from './install-error.ts'
export {
  type InstalledPlugin,
  type InstallOptions,
  type InstallProgress,
  installPlugin,
  listVersions,
  logIn,
  type RegistryOptions,
} from './install-plugin.ts'
export type { Platform } from './platform.ts'
export type { RegistryAnswer, RegistryExchange, RegistryRequest } from './registry-exchange.ts'
