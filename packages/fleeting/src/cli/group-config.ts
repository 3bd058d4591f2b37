import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { ConfigTable, describeKind } from '../contract/config-table.ts'
import type { ConnectorConfig } from '../contract/instance-group.ts'
import { StartError } from './start-error.ts'

/** What a configuration file says about one group. */
export interface GroupConfig {
  readonly pluginConfig: Readonly<Record<string, unknown>>
  readonly connector: ConnectorConfig
}

/**
 * Reads `plugin_config` and `connector_config` from a TOML or JSON file, in which they stand at the top, under
 * `autoscaler`, or under the first of `runners`, as in the runner's own `config.toml`. Thrown: {@link StartError}.
 */
export async function readGroupConfig(file: string | undefined): Promise<GroupConfig> {
  if (file === undefined) return { pluginConfig: {}, connector: {} }
  try {
    const text = await readFile(file, 'utf8')
    const { plugin_config: pluginConfig = {}, connector_config: connector } = groupTables(
      extname(file) === '.json' ? JSON.parse(text) : parseToml(text),
    )
    const { keyPath, ...settings } = parseConnector(connector)
    const privateKey = keyPath === undefined ? undefined : await readFile(resolve(dirname(file), keyPath), 'utf8')
    return {
      pluginConfig: tableAt('plugin_config', pluginConfig),
      connector: { ...settings, ...(privateKey !== undefined && { privateKey }) },
    }
  } catch (cause) {
    throw new StartError(`${file}: ${(cause as Error).message}`, { cause })
  }
}

type Table = Readonly<Record<string, unknown>>

/** The table that holds `plugin_config` and `connector_config`. */
function groupTables(value: unknown): { readonly plugin_config?: unknown; readonly connector_config?: unknown } {
  const { runners, autoscaler, ...tables } = tableAt('', value)
  if (runners !== undefined) return groupTables(Array.isArray(runners) ? runners[0] : runners)
  return autoscaler === undefined ? tables : groupTables(autoscaler)
}

function tableAt(path: string, value: unknown): Table {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Table
  throw new Error(`${path === '' ? '' : `${path}: `}expected a table, got ${describeKind(value)}`)
}

/** The keys of `[runners.autoscaler.connector_config]` that matter to a dial. */
function parseConnector(value: unknown): ConnectorConfig & { readonly keyPath?: string } {
  const table = new ConfigTable(value, 'connector_config')
  const settings = {
    keyPath: table.string('key_path'),
    os: table.choice('os', ['linux', 'darwin', 'windows']),
    arch: table.string('arch'),
    protocol: table.choice('protocol', ['ssh']),
    protocolPort: table.integer('protocol_port', { min: 1, max: 65_535 }),
    username: table.string('username'),
    password: table.secret('password'),
    agentSocket: table.string('agent_socket'),
    useStaticCredentials: table.boolean('use_static_credentials'),
    useExternalAddress: table.boolean('use_external_addr'),
    keepaliveMs: table.duration('keepalive'),
    timeoutMs: table.duration('timeout'),
    hostKeyChecking: table.choice('host_key_checking', ['strict', 'pin', 'off']),
    weakAlgorithms: table.boolean('weak_algorithms'),
  }
  table.check()
  return Object.fromEntries(Object.entries(settings).filter(([, setting]) => setting !== undefined))
}
