import { isIPv6 } from 'node:net'
import { ConnectionError } from '../contract/errors.ts'
import type { ConnectInfo, ConnectorConfig } from '../contract/instance-group.ts'

/** Where an SSH server listens. */
export interface Address {
  /** A name, an IPv4 or a bare IPv6 address. */
  readonly host: string
  readonly port: number
}

/**
 * The address to dial: the external one when it is asked for and present, or when there is no internal one. A port
 * within the address wins over `info.port`, over `config.protocolPort`, over 22. Thrown: `ConnectionError`
 * `unreachable` when there is no address, `invalid_config` when it cannot be read.
 */
export function chooseAddress(info: ConnectInfo, config: ConnectorConfig): Address {
  const preferred = config.useExternalAddress ? info.externalAddress : info.internalAddress
  const address = preferred || info.internalAddress || info.externalAddress
  if (!address) throw new ConnectionError('unreachable', `instance ${info.instanceId} has no address`)
  return parseAddress(address, info.port ?? config.protocolPort ?? 22)
}

/** Reads `host`, `host:port`, `::1`, `[::1]` or `[::1]:port`. Thrown: `ConnectionError` `invalid_config`. */
export function parseAddress(text: string, defaultPort: number): Address {
  if (isIPv6(text)) return { host: text, port: checkedPort(defaultPort, text) }
  const parts = /^(?:\[(?<ipv6>[^\]]+)\]|(?<name>[^\s:[\]]+))(?::(?<port>\d+))?$/.exec(text)?.groups
  const host = parts?.['ipv6'] ?? parts?.['name']
  if (host === undefined || (parts?.['ipv6'] !== undefined && !isIPv6(host))) {
    throw new ConnectionError(
      'invalid_config',
      `address: expected host, host:port or [IPv6]:port, got ${JSON.stringify(text)}`,
    )
  }
  return { host, port: checkedPort(parts?.['port'] === undefined ? defaultPort : Number(parts['port']), text) }
}

/** `host:port`, IPv6 in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function checkedPort(port: number, text: string): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw new ConnectionError(
    'invalid_config',
    `port of address ${JSON.stringify(text)}: expected 1 to 65535, got ${port}`,
  )
}
