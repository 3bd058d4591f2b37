import type { Settings } from '../config/settings.ts'

/** `password`, `api_token`; not `key_path`, which is none. */
const secretKey = /(^|_)(password|passphrase|token|secret|private_key)$/i

/** Shorter values of variables, such as `true`, are words of every log. */
const minVariableLength = 6

/** What a configuration holds that no log may show. */
export function secretsOf({ runners }: Settings): readonly string[] {
  return runners.flatMap(({ token, environment, cache: { s3 }, autoscaler: { connector, pluginConfig }, docker }) => [
    token,
    ...[s3.accessKey, s3.secretKey, s3.sessionToken].filter((secret) => secret !== undefined),
    ...(connector.password === undefined ? [] : [connector.password]),
    ...[...environment, ...(docker?.services ?? []).flatMap((service) => service.environment)]
      .map(({ value }) => value)
      .filter(({ length }) => length >= minVariableLength),
    ...namedSecrets(pluginConfig),
  ])
}

/** Strings under a key that names a secret, however deep. */
function namedSecrets(value: unknown, isSecret = false): readonly string[] {
  if (typeof value === 'string') return isSecret ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => namedSecrets(inner, isSecret || secretKey.test(key)))
}
