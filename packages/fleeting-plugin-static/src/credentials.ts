import { stat } from 'node:fs/promises'
import { type ConnectInfo, type ConnectorConfig, type Finding, GroupError } from '@runner-core/fleeting'
import { publicKeyOf } from '@runner-core/fleeting/ssh'
import type { StaticHost } from './config.ts'

export type Credentials = Pick<ConnectInfo, 'privateKey' | 'password' | 'agentSocket'>

export interface CredentialsFound {
  readonly credentials: ReadonlyMap<StaticHost, Credentials>
  readonly findings: readonly Finding[]
}

/**
 * Checks the hosts' keys. A host without credentials of its own has connector_config's. Thrown: `invalid_config`,
 * naming every key that cannot be used.
 */
export async function readCredentials(
  hosts: readonly StaticHost[],
  connector: ConnectorConfig,
): Promise<CredentialsFound> {
  const results = await Promise.allSettled(hosts.map((host) => credentialsOf(host, connector)))
  const problems = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }) => (reason as Error).message)
  if (problems.length > 0) throw new GroupError('invalid_config', problems.join('\n'))
  return {
    credentials: new Map(
      results.map((result, index) => [hosts[index]!, (result as PromiseFulfilledResult<Credentials>).value]),
    ),
    findings: (await Promise.all(hosts.map(openKeyFile))).flat(),
  }
}

async function credentialsOf(
  { name, password, keyPath, privateKey }: StaticHost,
  connector: ConnectorConfig,
): Promise<Credentials> {
  if (password === undefined && keyPath === undefined) {
    const { privateKey, password, agentSocket } = connector
    return {
      ...(privateKey !== undefined && { privateKey }),
      ...(password !== undefined && { password }),
      ...(agentSocket !== undefined && { agentSocket }),
    }
  }
  if (privateKey !== undefined) await publicKeyOf(privateKey, `plugin_config.instances.${name}.key_path (${keyPath})`)
  return { ...(password !== undefined && { password }), ...(privateKey !== undefined && { privateKey }) }
}

/** What ssh itself would refuse: a key that others may read. */
async function openKeyFile({ name, keyPath }: StaticHost): Promise<Finding[]> {
  if (keyPath === undefined) return []
  const { mode } = await stat(keyPath)
  if ((mode & 0o077) === 0) return []
  return [
    {
      code: 'key_file_permissions',
      severity: 'warning',
      message: `${keyPath}, the private key of host ${name}, can be read by other users (mode ${(mode & 0o777).toString(8)})`,
      fix: `chmod 600 ${keyPath}`,
    },
  ]
}
