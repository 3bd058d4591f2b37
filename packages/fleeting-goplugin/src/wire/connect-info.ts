import { type ConnectInfo, type ConnectorConfig, GroupError } from '@runner-core/fleeting'
import type { ConnectInfoResponse } from './messages.ts'

const systems = ['linux', 'darwin', 'windows'] as const

/**
 * What a plugin answered. The operator's user name wins; of credentials the plugin's do, since it knows which of them the machine was given. Times are left out: ours are the operator's, whatever the plugin
 * echoes. Thrown: `not_ready`, while there is no address; `invalid_config`, for a protocol that there is no connector for.
 */
export function connectInfoOfWire(id: string, answer: ConnectInfoResponse, operator: ConnectorConfig): ConnectInfo {
  const { connector: told, internalAddr, externalAddr, expires } = answer
  const protocol = told?.protocol ?? ''
  if (protocol !== '' && protocol !== 'ssh') {
    throw new GroupError('invalid_config', `the plugin says that ${id} is reached by ${protocol}; only ssh is supported`, {
      instanceId: id,
    })
  }
  if (internalAddr === '' && externalAddr === '') {
    throw new GroupError('not_ready', `the plugin knows no address of ${id} yet`, { instanceId: id })
  }
  const privateKey = told === null || told.key.length === 0 ? operator.privateKey : Buffer.from(told.key).toString('utf8')
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
