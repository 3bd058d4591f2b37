import { ConfigTable } from '@runner-core/fleeting'

/**
 * How capacity is asked for: `set_desired_capacity` raises the group's size, `launch_instances` launches now or not at
 * all.
 */
const launchModes = ['set_desired_capacity', 'launch_instances'] as const
/** How machines let us in. */
const credentialKinds = ['instance-connect', 'static', 'user-data', 'windows-password'] as const
export type CredentialKind = (typeof credentialKinds)[number]

/**
 * `[runners.autoscaler.plugin_config]` of the plugin `aws`, parsed. What is absent is left to the SDK: environment,
 * shared files, instance role.
 */
export interface AwsConfig {
  /** Key `name`: of the Auto Scaling group. */
  readonly name: string
  readonly region?: string
  readonly profile?: string
  /** Key `config_file`: default `~/.aws/config`. */
  readonly configFile?: string
  /** Key `credentials_file`: default `~/.aws/credentials`. */
  readonly credentialsFile?: string
  /** Key `endpoint`: of all three services, a URL. */
  readonly endpoint?: string
  /** Key `launch_mode`. Default `set_desired_capacity`. */
  readonly launchMode: (typeof launchModes)[number]
  /** Key `credentials`. Default: `static` with `use_static_credentials`, otherwise `instance-connect`. */
  readonly credentials?: CredentialKind
}

/** Thrown: `invalid_config`, with every problem. */
export function parseConfig(config: unknown): AwsConfig {
  const table = new ConfigTable(config)
  const name = table.string('name')
  if (!table.has('name')) table.problem('name', 'the name of an Auto Scaling group', 'nothing')
  const optional = {
    region: table.string('region'),
    profile: table.string('profile'),
    configFile: table.string('config_file'),
    credentialsFile: table.string('credentials_file'),
    endpoint: table.url('endpoint'),
    credentials: table.choice('credentials', credentialKinds),
  }
  const launchMode = table.choice('launch_mode', launchModes) ?? 'set_desired_capacity'
  table.check()
  const given = Object.fromEntries(
    Object.entries(optional).filter(([, value]) => value !== undefined),
  ) as Partial<AwsConfig>
  return { name: name!, launchMode, ...given }
}
