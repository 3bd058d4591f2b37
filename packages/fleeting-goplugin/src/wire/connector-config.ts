import type { ConnectorConfig } from '@runner-core/fleeting'
import type { WireConnectorConfig } from './messages.ts'

const nanosPerMs = 1_000_000
const defaultKeepaliveMs = 30_000
const defaultTimeoutMs = 600_000

/** The operator's settings as a plugin gets them. Never without times: plugins hand them back, and 0 makes upstream's connector fail at once. */
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
