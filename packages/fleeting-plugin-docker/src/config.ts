import { ConfigTable } from '@runner-core/fleeting'

/** `[runners.autoscaler.plugin_config]` of the plugin `docker`, parsed. */
export interface DockerConfig {
  /**
   * Key `image`: made by `scripts/mk-sshd-image.sh` or from `image/Dockerfile`, or based on such a one. Default
   * `runner-core-sshd`.
   */
  readonly image: string
  /** Key `max_size`: the largest number of containers. Default: no limit but `max_instances`. */
  readonly maxSize: number
}

/** Thrown: `invalid_config`, with every problem. */
export function parseConfig(config: unknown): DockerConfig {
  const table = new ConfigTable(config)
  const parsed: DockerConfig = {
    image: table.string('image') ?? 'runner-core-sshd',
    maxSize: table.integer('max_size', { min: 1 }) ?? Number.POSITIVE_INFINITY,
  }
  table.check()
  return parsed
}
