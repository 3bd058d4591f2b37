import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { ConfigTable } from '@runner-core/fleeting'
import { type CloudName, clouds } from './clouds.ts'

/** `[runners.autoscaler.plugin_config]` of the plugin `azure`, parsed. */
export interface AzureConfig {
  /** Key `name`: of the scale set. */
  readonly name: string
  /** Key `subscription_id`. */
  readonly subscriptionId: string
  /** Key `resource_group_name`. */
  readonly resourceGroup: string
  /** Key `endpoint`: Resource Manager's address, without a slash at its end. Default: that of the key `cloud`. */
  readonly endpoint: string
  /** Key `authority_host`: who gives tokens. Default: that of key `cloud`. Undefined: the SDK's own default. */
  readonly authorityHost: string | undefined
  /** Key `audience`: what tokens are asked for. Default: `endpoint`. Azure Stack Hub has another one. */
  readonly audience: string
  /** Key `client_id`: the identity that the group logs in as. Undefined: whichever the environment has. */
  readonly clientId?: string | undefined
  /** Key `tenant_id`: the tenant that issues the group's tokens. Undefined: the environment's. */
  readonly tenantId?: string | undefined
  /**
   * Key `ca_file`: PEM certificates of authorities that are trusted as well as the usual ones, by this plugin only.
   * What is in it.
   */
  readonly certificates: readonly string[] | undefined
}

/** Thrown: `invalid_config`, with every problem. */
export function parseConfig(config: unknown): AzureConfig {
  const table = new ConfigTable(config)
  const required = (key: string, what: string): string => {
    const value = table.string(key)
    if (!table.has(key)) table.problem(key, what)
    return value ?? ''
  }
  const name = required('name', 'the name of a scale set')
  const subscriptionId = required('subscription_id', "the id of the scale set's subscription")
  const resourceGroup = required('resource_group_name', "the name of the scale set's resource group")
  const cloud = table.choice('cloud', Object.keys(clouds) as CloudName[])
  const endpoint = address(table, 'endpoint') ?? clouds[cloud ?? 'public'].endpoint
  const authorityHost =
    address(table, 'authority_host') ?? (cloud === undefined ? undefined : clouds[cloud].authorityHost)
  const audience = table.string('audience') ?? endpoint
  const clientId = table.string('client_id')
  const tenantId = table.string('tenant_id')
  if (tenantId !== undefined && !/^[\w.-]+$/.test(tenantId))
    table.problem('tenant_id', 'the id or a domain of a tenant')
  const caFile = table.string('ca_file')
  const certificates = caFile === undefined ? undefined : readCertificates(table, caFile)
  table.check()
  return { name, subscriptionId, resourceGroup, endpoint, authorityHost, audience, clientId, tenantId, certificates }
}

/** An https address: over anything else the SDK sends no token. */
function address(table: ConfigTable, key: string): string | undefined {
  return table.url(key, { protocols: ['https'] })?.replace(/\/+$/, '')
}

function readCertificates(table: ConfigTable, path: string): readonly string[] {
  try {
    // Naming authorities to Node replaces the usual ones, those of NODE_EXTRA_CA_CERTS included.
    return [...getCACertificates('default'), readFileSync(path, 'utf8')]
  } catch (error) {
    table.problem('ca_file', 'a file of PEM certificates that can be read', (error as Error).message)
    return []
  }
}
