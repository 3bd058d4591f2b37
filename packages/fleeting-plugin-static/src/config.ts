import { readFileSync } from 'node:fs'
import { ConfigTable, type ConnectInfo, type ConnectorConfig } from '@runner-core/fleeting'
import { parseAddress, parseHostKey } from '@runner-core/fleeting/ssh'

/** `[runners.autoscaler.plugin_config]` of the plugin `static`, parsed. */
export interface StaticConfig {
  /** Tables `instances.NAME`, in the order in which they were written. */
  readonly hosts: readonly StaticHost[]
}

/** `[runners.autoscaler.plugin_config.instances.NAME]`: one host. */
export interface StaticHost {
  readonly name: string
  /**
   * Keys `internal_addr`, `external_addr` (`host` or `host:port`; at least one is there), `protocol_port`, `username`,
   * `host_key` (one or a list, as in `known_hosts` after the name), `os`, `arch`. What is absent is connector_config's.
   */
  readonly target: Omit<ConnectInfo, 'instanceId' | 'password' | 'privateKey' | 'agentSocket'>
  /** Key `password`. */
  readonly password: string | undefined
  /** Key `key_path`: a file with a private key. */
  readonly keyPath: string | undefined
  /** What is in it. */
  readonly privateKey: string | undefined
}

/** Keys that upstream's plugin takes for each host, and that here stand in `connector_config` only. */
const ignoredKeys = ['timeout', 'keepalive', 'use_static_credentials']

/** `warn` is called for each key that is understood and not used. Thrown: `invalid_config`, with every problem. */
export function parseConfig(config: unknown, connector: ConnectorConfig, warn: (key: string) => void): StaticConfig {
  const table = new ConfigTable(config)
  const hosts = [...table.tables('instances')].map(([name, host]) => {
    const parsed = parseHost(name, host, connector)
    for (const key of ignoredKeys) if (host.has(key)) warn(`instances.${name}.${key}`)
    return parsed
  })
  if (hosts.length === 0) table.problem('instances', 'at least one host, as a table instances.NAME')
  table.check()
  return { hosts }
}

function parseHost(name: string, table: ConfigTable, connector: ConnectorConfig): StaticHost {
  const [internalAddress, externalAddress] = [readAddress(table, 'internal_addr'), readAddress(table, 'external_addr')]
  const username = table.string('username') ?? connector.username
  const [password, keyPath] = [table.secret('password'), table.string('key_path')]
  const privateKey = keyPath === undefined ? undefined : readKeyFile(table, keyPath)
  const hostKeys = table.strings('host_key') ?? []
  const port = table.integer('protocol_port', { min: 1, max: 65_535 })
  const os = table.choice('os', ['linux', 'darwin', 'windows']) ?? connector.os
  const arch = table.string('arch') ?? connector.arch
  table.choice('protocol', ['ssh'])

  if (!table.has('internal_addr') && !table.has('external_addr'))
    table.problem('internal_addr', 'an address here or in external_addr')
  if (username === undefined && !table.has('username'))
    table.problem('username', 'a user name here or in connector_config')
  const shared = connector.password ?? connector.privateKey ?? connector.agentSocket
  if (shared === undefined && !table.has('password') && !table.has('key_path')) {
    table.problem('key_path', 'a key or a password here or in connector_config')
  }
  if (hostKeys.length === 0 && connector.hostKeyChecking === 'strict' && !table.has('host_key')) {
    table.problem('host_key', 'a host key, since host key checking is strict')
  }
  if (!hostKeys.every((key) => isAccepted(parseHostKey, key)))
    table.problem('host_key', 'host keys like "ssh-ed25519 AAAA…"')

  const target: StaticHost['target'] = {
    protocol: 'ssh',
    username: username ?? '',
    hostKeys,
    ...(internalAddress !== undefined && { internalAddress }),
    ...(externalAddress !== undefined && { externalAddress }),
    ...(port !== undefined && { port }),
    ...(os !== undefined && { os }),
    ...(arch !== undefined && { arch }),
  }
  return { name, target, password, keyPath, privateKey }
}

function readKeyFile(table: ConfigTable, path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // Keys have lines, paths have not: what should be in the file must not be shown.
    const got = path.includes('\n') ? 'text of several lines' : (error as Error).message
    table.problem('key_path', "a private key's file that can be read", got)
    return undefined
  }
}

function readAddress(table: ConfigTable, key: string): string | undefined {
  const address = table.string(key)
  if (address !== undefined && !isAccepted((text) => parseAddress(text, 22), address))
    table.problem(key, 'host, host:port or [IPv6]:port')
  return address
}

function isAccepted(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}
