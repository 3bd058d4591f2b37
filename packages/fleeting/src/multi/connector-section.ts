import { readFileSync } from 'node:fs'
import type { ConfigTable } from '../contract/config-table.ts'
import type { ConnectorConfig } from '../contract/instance-group.ts'

/**
 * `plugin_config.groups.NAME.connector_config`: the keys of the runner's `connector_config`, and only those that are
 * there.
 */
export function parseConnector(section: ConfigTable): ConnectorConfig {
  const settings = {
    os: section.choice('os', ['linux', 'darwin', 'windows']),
    arch: section.string('arch'),
    protocol: section.choice('protocol', ['ssh']),
    protocolPort: section.integer('protocol_port', { min: 1, max: 65_535 }),
    username: section.string('username'),
    password: section.secret('password'),
    privateKey: fileContent(section, 'key_path'),
    agentSocket: section.string('agent_socket'),
    useStaticCredentials: section.boolean('use_static_credentials'),
    useExternalAddress: section.boolean('use_external_addr'),
    keepaliveMs: section.duration('keepalive', { minMs: 1 }),
    timeoutMs: section.duration('timeout', { minMs: 1 }),
    hostKeyChecking: section.choice('host_key_checking', ['strict', 'pin', 'off']),
    weakAlgorithms: section.boolean('weak_algorithms'),
  }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function fileContent(section: ConfigTable, key: string): string | undefined {
  const path = section.string(key)
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    section.problem(
      key,
      'the path of a readable file',
      `${JSON.stringify(path)} (${(error as NodeJS.ErrnoException).code})`,
    )
    return undefined
  }
}
