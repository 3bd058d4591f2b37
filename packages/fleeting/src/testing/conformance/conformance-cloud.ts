import type { ConnectorConfig } from '../../contract/instance-group.ts'
import type { CloudControls } from './cloud-controls.ts'
import type { ConformanceOptions } from './conformance-options.ts'

/** A cloud for a plugin to talk to, most likely a fake one, and its controls. */
export interface ConformanceCloud extends AsyncDisposable {
  /** How the plugin finds it: wins over the `plugin_config` of the file, key by key. */
  readonly pluginConfig?: Readonly<Record<string, unknown>>
  /** Wins over the `connector_config` of the file, key by key. */
  readonly connector?: ConnectorConfig
  readonly controls?: CloudControls
  /** Its clock is the plugin's too. */
  readonly options?: Omit<ConformanceOptions, 'cloud' | 'signal'>
}

/**
 * What a module given as `fleeting conformance --cloud` exports under the name `createConformanceCloud`. `pluginConfig`
 * is what the configuration file says.
 */
export type CreateConformanceCloud = (
  pluginConfig: Readonly<Record<string, unknown>>,
) => ConformanceCloud | Promise<ConformanceCloud>
