import type { TokenCredential } from '@azure/core-auth'
import { isAuthorityOfMicrosoft } from './clouds.ts'
import type { AzureConfig } from './config.ts'
import type { Trust } from './trust.ts'

/** The group's login. The identity library is loaded with the first token. */
export function lazyCredential(config: AzureConfig, trust: Trust): TokenCredential {
  const { tenantId } = config
  let credential: Promise<TokenCredential> | undefined
  return {
    async getToken(scopes, options) {
      credential ??= makeCredential(config, trust)
      // Asked for by name: a service principal of the environment otherwise uses the tenant of the environment.
      return (await credential).getToken(scopes, { ...options, ...(tenantId !== undefined && { tenantId }) })
    },
  }
}

async function makeCredential(
  { authorityHost, clientId, tenantId }: AzureConfig,
  trust: Trust,
): Promise<TokenCredential> {
  const {
    ChainedTokenCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
  } = await import('@azure/identity')
  // A new object for each: some credentials change the one that they are given.
  const shared = () => ({
    ...(authorityHost !== undefined && {
      authorityHost,
      disableInstanceDiscovery: !isAuthorityOfMicrosoft(authorityHost),
    }),
    ...(tenantId !== undefined && { tenantId, additionallyAllowedTenants: [tenantId] }),
    ...trust,
  })
  if (clientId === undefined) return new DefaultAzureCredential(shared())
  // Only logins that can be this identity: a group never acts as the environment's or as whoever ran `az login`.
  const { AZURE_CLIENT_ID: clientOfEnvironment, AZURE_FEDERATED_TOKEN_FILE: tokenFilePath } = process.env
  return new ChainedTokenCredential(
    ...(clientOfEnvironment === clientId ? [new EnvironmentCredential(shared())] : []),
    ...(tokenFilePath ? [new WorkloadIdentityCredential({ ...shared(), clientId, tokenFilePath })] : []),
    new ManagedIdentityCredential({ ...shared(), clientId }),
  )
}
