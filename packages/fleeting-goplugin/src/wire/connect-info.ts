import { type ConnectInfo, type ConnectorConfig, GroupError } from '@runner-core/fleeting'
import { wireConnectorConfig } from './connector-config.ts'
import type { ConnectInfoResponse, WireConnectorConfig } from './messages.ts'

const systems = ['linux', 'darwin', 'windows'] as const

/**
 * What a plugin answered. The operator's user name wins; of credentials the plugin's do, since it knows which of them
 * the machine was given. Times are left out: ours are the operator's, whatever the plugin echoes. Thrown: `not_ready`,
 * while there is no address; `invalid_config`, for a protocol that there is no connector for.
 */
export function connectInfoOfWire(id: string, answer: ConnectInfoResponse, operator: ConnectorConfig): ConnectInfo {
  const { connector: told, internalAddr, externalAddr, expires } = answer
  const protocol = told?.protocol ?? ''
  if (protocol !== '' && protocol !== 'ssh') {
    throw new GroupError(
      'invalid_config',
      `the plugin reports that ${id} is reached by ${protocol}; only ssh is supported`,
      {
        instanceId: id,
      },
    )
  }
  if (internalAddr === '' && externalAddr === '') {
    throw new GroupError('not_ready', `the plugin has no address for ${id} yet`, { instanceId: id })
  }
  const privateKey =
    told === null || told.key.length === 0 ? operator.privateKey : Buffer.from(told.key).toString('utf8')
  const password = told?.password || operator.password
  const port = told?.protocolPort || operator.protocolPort
  const os = systems.find((system) => system === (operator.os ?? told?.os))
  const arch = operator.arch ?? told?.arch
  return {
    instanceId: id,
    protocol: 'ssh',
    username: operator.username ?? told?.username ?? '',
    ...(internalAddr !== '' && { internalAddress: internalAddr }),
    ...(externalAddr !== '' && { externalAddress: externalAddr }),
    ...(port && { port }),
    ...(privateKey && { privateKey }),
    ...(password && { password }),
    ...(operator.agentSocket !== undefined && { agentSocket: operator.agentSocket }),
    ...(expires > 0 && { expiresAt: expires * 1000 }),
    ...(os && { os }),
    ...(arch && { arch }),
  }
}

/**
 * What a group answered, for a host that sent `told` in `Init`: it gets its own times back, since 0 makes upstream's
 * connector fail at once. Host keys and agents have no place on the wire.
 */
export function wireConnectInfo(info: ConnectInfo, told: WireConnectorConfig): ConnectInfoResponse {
  const defaults = wireConnectorConfig({})
  return {
    connector: {
      os: info.os ?? told.os,
      arch: info.arch ?? told.arch,
      protocol: info.protocol,
      protocolPort: info.port ?? told.protocolPort,
      username: info.username,
      password: info.password ?? '',
      key: Buffer.from(info.privateKey ?? ''),
      useStaticCredentials: told.useStaticCredentials,
      keepalive: told.keepalive > 0 ? told.keepalive : defaults.keepalive,
      timeout: told.timeout > 0 ? told.timeout : defaults.timeout,
    },
    internalAddr: info.internalAddress ?? '',
    externalAddr: info.externalAddress ?? '',
    expires: info.expiresAt === undefined ? 0 : Math.floor(info.expiresAt / 1000),
  }
}
