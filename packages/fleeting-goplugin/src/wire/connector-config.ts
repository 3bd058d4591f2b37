import { type ConnectorConfig, GroupError } from '@runner-core/fleeting'
import type { WireConnectorConfig } from './messages.ts'

const systems = ['linux', 'darwin', 'windows'] as const
const nanosPerMs = 1_000_000
const defaultKeepaliveMs = 30_000
const defaultTimeoutMs = 600_000

/**
 * The operator's settings as a plugin gets them. Never without times: plugins hand them back, and 0 makes upstream's
 * connector fail at once.
 */
export function wireConnectorConfig(config: ConnectorConfig): WireConnectorConfig {
  return {
    os: config.os ?? '',
    arch: config.arch ?? '',
    protocol: config.protocol ?? '',
    username: config.username ?? '',
    password: config.password ?? '',
    key: Buffer.from(config.privateKey ?? ''),
    useStaticCredentials: config.useStaticCredentials ?? false,
    keepalive: (config.keepaliveMs || defaultKeepaliveMs) * nanosPerMs,
    timeout: (config.timeoutMs || defaultTimeoutMs) * nanosPerMs,
    protocolPort: config.protocolPort ?? 0,
  }
}

/**
 * What a host sent, as the operator's settings: what is empty was not set. Thrown: `invalid_config`, for a protocol
 * that groups here do not speak.
 */
export function connectorConfigOfWire(told: WireConnectorConfig): ConnectorConfig {
  const { protocol, keepalive, timeout, protocolPort, username, password, arch } = told
  if (protocol !== '' && protocol !== 'ssh') {
    throw new GroupError('invalid_config', `connector_config.protocol: expected ssh, got ${JSON.stringify(protocol)}`)
  }
  const os = systems.find((system) => system === told.os)
  const privateKey = Buffer.from(told.key).toString('utf8')
  return {
    protocol: 'ssh',
    useStaticCredentials: told.useStaticCredentials,
    ...(os && { os }),
    ...(arch && { arch }),
    ...(username && { username }),
    ...(password && { password }),
    ...(privateKey && { privateKey }),
    ...(protocolPort && { protocolPort }),
    ...(keepalive > 0 && { keepaliveMs: keepalive / nanosPerMs }),
    ...(timeout > 0 && { timeoutMs: timeout / nanosPerMs }),
  }
}
