import type { BenchSshd } from '../ssh/bench-sshd.ts'

/** Jobs at once: the one instance's slots. */
export const slots = 10

const autoscaled = (
  url: string,
  token: string,
  plugin: string,
  pluginConfig: string,
  runnerConfig = '',
  topConfig = '',
): string => `concurrent = ${slots}
log_level = "warn"
${topConfig}
[[runners]]
name = "bench-${plugin}"
url = "${url}"
token = "${token}"
executor = "instance"
${runnerConfig}
[runners.autoscaler]
plugin = "${plugin}"
capacity_per_instance = ${slots}
max_instances = 1

${pluginConfig}
[[runners.autoscaler.policy]]
idle_count = ${slots}
idle_time = "10m"
preemptive_mode = true
`

export interface StaticOptions {
  readonly detach: boolean
  /** Default: nothing is kept. */
  readonly stateDir?: string
}

/** `config.toml` of a runner on one host that exists. */
export function staticConfig(
  url: string,
  token: string,
  { port, username, keyFile, hostKey }: BenchSshd,
  { detach, stateDir }: StaticOptions,
): string {
  return autoscaled(
    url,
    token,
    'static',
    `[runners.autoscaler.plugin_config.instances.bench]
internal_addr = "127.0.0.1:${port}"
username = "${username}"
key_path = "${keyFile}"
host_key = "${hostKey}"
`,
    `detach = ${detach}\n`,
    stateDir === undefined ? '' : `state_dir = "${stateDir}"\n`,
  )
}

/** `config.toml` of a runner on one instance of plugin `local`. */
export function localConfig(url: string, token: string): string {
  return autoscaled(url, token, 'local', '')
}

/**
 * `config.toml` of a stock gitlab-runner with its `ssh` executor on the same host. `directories`: lines that say where
 * jobs and caches are there.
 */
export function stockConfig(
  url: string,
  token: string,
  { port, username, keyFile }: Pick<BenchSshd, 'port' | 'username' | 'keyFile'>,
  { concurrent = slots, directories = '' }: { readonly concurrent?: number; readonly directories?: string } = {},
): string {
  return `concurrent = ${concurrent}
check_interval = 1

[[runners]]
name = "bench-stock"
url = "${url}"
token = "${token}"
executor = "ssh"
${directories}
request_concurrency = ${concurrent}

[runners.ssh]
host = "127.0.0.1"
port = "${port}"
user = "${username}"
identity_file = "${keyFile}"
disable_strict_host_key_checking = true
`
}
