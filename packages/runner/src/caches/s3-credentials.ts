import type { S3CacheSettings } from '../config/settings.ts'

interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** The credentials that are valid now. */
export type FindCredentials = () => Promise<S3Credentials>

/**
 * Those of the configuration, or what the environment has: variables, files, roles of machines and pods. The library
 * that looks there is loaded when it is needed.
 */
export function findCredentials({
  authenticationType,
  accessKey,
  secretKey,
  sessionToken,
}: S3CacheSettings): FindCredentials {
  if (authenticationType !== 'iam' && accessKey !== undefined && secretKey !== undefined) {
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken }
    return async () => credentials
  }
  let provider: Promise<FindCredentials> | undefined
  return async () => {
    // It keeps them, and renews them before they end.
    provider ??= import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider())
    return (await provider)()
  }
}
