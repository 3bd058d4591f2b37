import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { ConfigTable } from '../config-table.ts'
import type { ConnectorConfig } from '../instance-group.ts'
import { StartError } from './start-error.ts'

/** What a configuration file says about one group. */
export interface GroupConfig {
  readonly pluginConfig: Readonly<Record<string, unknown>>
  readonly connector: ConnectorConfig
}

/**
 * Reads `plugin_config` and `connector_config` from a TOML or JSON file, in which they stand at the top, under `autoscaler`, or under the first of `runners`, as in the runner's own `config.toml`.
 * Thrown: {@link StartError}.
 */
export async function readGroupConfig(file: string | undefined): Promise<GroupConfig> {
  if (file === undefined) return { pluginConfig: {}, connector: {} }
  try {
    const text = await readFile(file, 'utf8')
    const tables = groupTables(extname(file) === '.json' ? JSON.parse(text) : parseToml(text))
    const keyPath = tables.connector_config?.['key_path']
    const privateKey = typeof keyPath === 'string' ? await readFile(resolve(dirname(file), keyPath), 'utf8') : undefined
    return {
      pluginConfig: tables.plugin_config ?? {},
      connector: { ...parseConnector(tables.connector_config), ...(privateKey !== undefined && { privateKey }) },
    }
  } catch (cause) {
    throw new StartError(`${file}: ${(cause as Error).message}`, { cause })
  }
}

type Table = Readonly<Record<string, unknown>>
interface GroupTables {
  readonly plugin_config?: Table
  readonly connector_config?: Table
}

function groupTables(root: unknown): GroupTables {
  const { autoscaler, runners } = Object(root) as { readonly autoscaler?: unknown; readonly runners?: unknown }
  if (Array.isArray(runners)) return groupTables(runners[0])
  if (runners !== undefined) return groupTables(runners)
  return (autoscaler ?? root) as GroupTables
}

/** The keys of `[runners.autoscaler.connector_config]` that matter to a dial. */
function parseConnector(value: unknown): ConnectorConfig {
  const table = new ConfigTable(value, 'connector_config')
  const flag = (key: string): boolean | undefined => {
    const choice = table.has(key) ? (Object(value) as Table)[key] : undefined
    if (choice !== undefined && typeof choice !== 'boolean') table.problem(key, 'true or false')
    return choice as boolean | undefined
  }
  const milliseconds = (key: string): number | undefined => {
    const text = table.string(key)
    const match = text === undefined ? undefined : /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
    if (match === null) table.problem(key, 'a duration such as "30s"')
    return match ? Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as 'ms'] : undefined
  }
  table.string('key_path')
  const settings = {
    os: table.choice('os', ['linux', 'darwin', 'windows']),
    arch: table.string('arch'),
    protocol: table.choice('protocol', ['ssh']),
    protocolPort: table.integer('protocol_port', { min: 1, max: 65_535 }),
    username: table.string('username'),
    password: table.secret('password'),
    agentSocket: table.string('agent_socket'),
    useStaticCredentials: flag('use_static_credentials'),
    useExternalAddress: flag('use_external_addr'),
    keepaliveMs: milliseconds('keepalive'),
    timeoutMs: milliseconds('timeout'),
    hostKeyChecking: table.choice('host_key_checking', ['strict', 'pin', 'off']),
  }
  table.check()
  return Object.fromEntries(Object.entries(settings).filter(([, setting]) => setting !== undefined)) as ConnectorConfig
}
