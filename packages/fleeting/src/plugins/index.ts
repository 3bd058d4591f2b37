/**
 * Loads plugins by name, and looks at what they made before it is relied on.
 *
 * @module
 */

export { checkGroup, initGroup } from './init-group.ts'
export {
  type LoadedPlugin,
  type LoadPluginOptions,
  loadPlugin,
  PluginError,
  type PluginErrorCode,
} from './load-plugin.ts'
