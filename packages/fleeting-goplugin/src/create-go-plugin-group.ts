import { type CreateInstanceGroup, GroupError } from '@runner-core/fleeting'
import { GoPluginGroup } from './host/go-plugin-group.ts'

export interface GoPluginOptions {
  /** What the plugin's process has as its environment. Default: this process's own. */
  readonly environment?: NodeJS.ProcessEnv
  /**
   * `offer` (default): each end has a certificate for this process alone, if the plugin can · `require`: no plugin that
   * cannot · `off`: plaintext, as upstream's host has it.
   */
  readonly tls?: 'offer' | 'require' | 'off'
  /** From the start of the process until it says where it listens, milliseconds. Default 60,000, upstream's. */
  readonly startTimeoutMs?: number
  /** Of each call, milliseconds. Default 60,000. */
  readonly callTimeoutMs?: number
}

/**
 * The plugin that an executable is: what `createInstanceGroup` would be in a module. Nothing is started before `init`,
 * and gRPC is not loaded. The plugin checks its configuration in `init`, by its own words; thrown here:
 * `invalid_config`, for one that is no table.
 */
export function createGoPluginGroup(file: string, options: GoPluginOptions = {}): CreateInstanceGroup {
  const { environment = process.env, tls = 'offer', startTimeoutMs = 60_000, callTimeoutMs = 60_000 } = options
  return (config, { connector, clock, random, logger }) => {
    if (typeof config !== 'object' || config === null || Array.isArray(config)) {
      throw new GroupError(
        'invalid_config',
        `plugin_config: expected a table, got ${Array.isArray(config) ? 'an array' : typeof config}`,
      )
    }
    return new GoPluginGroup({
      file,
      environment,
      tls,
      startTimeoutMs,
      callTimeoutMs,
      config,
      connector,
      clock,
      random,
      logger,
    })
  }
}
