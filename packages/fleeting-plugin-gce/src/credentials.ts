import { readFile } from 'node:fs/promises'
import { GroupError } from '@runner-core/fleeting'
import type { AuthClient, ExternalAccountClientOptions } from 'google-auth-library'
import type { GceConfig } from './config.ts'

const scope = 'https://www.googleapis.com/auth/compute'
/** What asking for another account's token needs; what that account may do, its roles say. */
const impersonationScope = 'https://www.googleapis.com/auth/cloud-platform'

/**
 * Who we are to Google: by the file, or without one by Google's default credentials. Thrown: `invalid_config` for a
 * file that cannot be used; what Google's library throws.
 */
export async function logIn({
  credentialsFile,
  project,
  endpoint,
}: Pick<GceConfig, 'credentialsFile' | 'project' | 'endpoint'>): Promise<AuthClient> {
  const google = await import('google-auth-library')
  if (credentialsFile === undefined) {
    // Told the project, the library does not look for it, for which it would ask another API and need another right.
    const auth = new google.GoogleAuth({ scopes: [scope], projectId: project })
    const client = await auth.getClient()
    // Of a machine's own account, the library does not ask by itself in which universe it is.
    if (client instanceof google.Compute && endpoint === undefined)
      client.universeDomain = await auth.getUniverseDomainFromMetadataServer()
    return client
  }
  // By type, not by the library's loader of any type: that one warns on the console each time, and is deprecated.
  const file = await credentialsIn(credentialsFile)
  switch (file['type']) {
    case 'service_account': {
      const [email, key] = [textOf(file, 'client_email', credentialsFile), textOf(file, 'private_key', credentialsFile)]
      const { private_key_id: keyId } = file
      const client = new google.JWT({
        email,
        key,
        scopes: [scope],
        ...(typeof keyId === 'string' && { keyId }),
        ...universeOf(file),
      })
      // The token is signed here, as Google's own Cloud clients do it: no call to a token server, which a private
      // network may not reach.
      client.useJWTAccessWithScope = true
      return client
    }
    case 'external_account':
      return externalAccount(google, file)
    case 'authorized_user':
      return new google.UserRefreshClient({
        clientId: textOf(file, 'client_id', credentialsFile),
        clientSecret: textOf(file, 'client_secret', credentialsFile),
        refreshToken: textOf(file, 'refresh_token', credentialsFile),
        ...universeOf(file),
      })
    case 'external_account_authorized_user':
      for (const key of ['client_id', 'client_secret', 'refresh_token']) textOf(file, key, credentialsFile)
      return new google.ExternalAccountAuthorizedUserClient(
        file as unknown as ConstructorParameters<typeof google.ExternalAccountAuthorizedUserClient>[0],
      )
    case 'impersonated_service_account':
      textOf(file, 'service_account_impersonation_url', credentialsFile)
      // By the loader of default credentials: the constructor of this kind warns on the console each time.
      return new google.GoogleAuth({
        scopes: [impersonationScope],
        projectId: project,
      })._getApplicationCredentialsFromFilePath(credentialsFile)
    default:
      throw unusable(credentialsFile, `"type": ${types}, got ${JSON.stringify(file['type'])}`)
  }
}

const types =
  'service_account, external_account, authorized_user, impersonated_service_account or external_account_authorized_user'

/** Of which of Google's clouds the credentials are. The library's default is the public one. */
function universeOf({ universe_domain: universeDomain }: Readonly<Record<string, unknown>>): {
  readonly universeDomain?: string
} {
  return typeof universeDomain === 'string' ? { universeDomain } : {}
}

/** Workload identity: a token from elsewhere is exchanged for one of Google's. */
function externalAccount(
  google: typeof import('google-auth-library'),
  file: Readonly<Record<string, unknown>>,
): AuthClient {
  const options = { ...file, scopes: [scope] } as unknown as ExternalAccountClientOptions
  const { environment_id: isAws, executable } = Object(file['credential_source']) as Readonly<Record<string, unknown>>
  if (isAws !== undefined) return new google.AwsClient(options as ConstructorParameters<typeof google.AwsClient>[0])
  if (executable !== undefined)
    return new google.PluggableAuthClient(options as ConstructorParameters<typeof google.PluggableAuthClient>[0])
  return new google.IdentityPoolClient(options as ConstructorParameters<typeof google.IdentityPoolClient>[0])
}

async function credentialsIn(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return Object(JSON.parse(await readFile(path, 'utf8'))) as Record<string, unknown>
  } catch (cause) {
    // The parser's message would quote what is in the file.
    throw unusable(path, cause instanceof SyntaxError ? 'JSON' : (cause as Error).message)
  }
}

function textOf(file: Readonly<Record<string, unknown>>, key: string, path: string): string {
  const value = file[key]
  if (typeof value !== 'string' || value === '') throw unusable(path, `a text in "${key}"`)
  return value
}

function unusable(path: string, expected: string): GroupError {
  return new GroupError('invalid_config', `plugin_config.credentials_file: ${path}: expected ${expected}`)
}
