import { basename } from 'node:path'
import type { DemoOptions } from './options.ts'

/**
 * The runner's `config.toml`: one slot is kept free, more instances are made when jobs wait, and go soon after.
 * `folder` is the demo's own and names its fleet.
 */
export function demoConfig(
  { slots, maxInstances, plugin }: DemoOptions,
  url: string,
  token: string,
  folder: string,
): string {
  const isLocal = plugin === 'local'
  return `concurrent = ${slots * maxInstances}
shutdown_timeout = "10s"

[[runners]]
name = "demo"
url = "${url}"
token = "${token}"
executor = "instance"

[runners.autoscaler]
fleet = "${basename(folder)}"
plugin = "${plugin}"
capacity_per_instance = ${slots}
max_instances = ${maxInstances}
update_interval_when_expecting = "${isLocal ? '100ms' : '500ms'}"

[runners.autoscaler.plugin_config]
${isLocal ? `root_dir = ${JSON.stringify(folder)}` : ''}

[[runners.autoscaler.policy]]
idle_count = 1
idle_time = "3s"
preemptive_mode = false
`
}
