import { credentialPathOf } from './image-reference.ts'

/** What the Engine sends to a registry: `X-Registry-Auth`. */
export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly identitytoken: string }
  | { readonly registrytoken: string }

/** An address with what is known for it; see `credentialPaths` for the path. */
interface Addressed {
  readonly path: string
  /** As it is written: what a credential helper is asked for. */
  readonly address: string
}

interface AuthEntry extends Addressed {
  readonly credentials: RegistryCredentials
}

/** The parts of Docker's `config.json` that hold credentials or name those who do. */
export interface AuthConfig {
  readonly entries: readonly AuthEntry[]
  readonly helpers: readonly (Addressed & { readonly helper: string })[]
  /** `credsStore`: the helper for every registry. */
  readonly store: string | undefined
  /** Addresses in `auths` without credentials: `credsStore` has them. */
  readonly stored: readonly Addressed[]
  /** What is wrong with single entries, without any secret. */
  readonly problems: readonly string[]
  /** Every password and token, and what they look like in the text. */
  readonly secrets: readonly string[]
}

/** Thrown when a text is not a usable file of credentials. The message quotes nothing of it. */
export class AuthConfigError extends Error {
  override readonly name = 'AuthConfigError'
  readonly code = 'invalid_auth_config'
}

/** Characters. Each secret costs memory as long as the job runs. */
export const longestAuthConfig: number = 128 * 1024

/** Parses `DOCKER_AUTH_CONFIG` or `config.json`. Thrown: {@link AuthConfigError}. */
export function parseAuthConfig(text: string): AuthConfig {
  if (text.length > longestAuthConfig) throw new AuthConfigError(`it has more than ${longestAuthConfig} characters`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The error would quote the text.
    throw new AuthConfigError('it is not valid JSON')
  }
  if (!isRecord(value)) throw new AuthConfigError('it is not a JSON object')
  const { auths, credHelpers, credsStore } = value
  const problems: string[] = []
  const secrets = new Set<string>()
  const entries: AuthEntry[] = []
  const stored: Addressed[] = []
  for (const [address, entry] of fieldsOf(auths, 'auths', problems)) {
    const addressed = { path: credentialPathOf(address), address }
    const credentials = isRecord(entry) ? credentialsOf(entry, secrets) : 'invalid'
    if (credentials === undefined) stored.push(addressed)
    else if (credentials === 'invalid') problems.push(`auths: the entry for ${shown(address)} is invalid`)
    else entries.push({ ...addressed, credentials })
  }
  const helpers = fieldsOf(credHelpers, 'credHelpers', problems).flatMap(([address, helper]) => {
    if (typeof helper === 'string') return [{ path: credentialPathOf(address), address, helper }]
    problems.push(`credHelpers: the entry for ${shown(address)} is invalid`)
    return []
  })
  const store = typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined
  if (store === undefined && credsStore !== undefined && credsStore !== '') problems.push('credsStore is invalid')
  return { entries, helpers, store, stored, problems, secrets: [...secrets] }
}

function fieldsOf(value: unknown, field: string, problems: string[]): readonly (readonly [string, unknown])[] {
  if (value === undefined || value === null) return []
  if (isRecord(value)) return Object.entries(value)
  problems.push(`${field} is not a JSON object`)
  return []
}

/** Undefined: there are none. */
function credentialsOf(
  { auth, username, password, identitytoken, registrytoken }: Record<string, unknown>,
  secrets: Set<string>,
): RegistryCredentials | undefined | 'invalid' {
  for (const secret of [auth, password, identitytoken, registrytoken])
    if (typeof secret === 'string' && secret !== '') secrets.add(secret)
  if (isText(registrytoken)) return { registrytoken }
  if (isText(identitytoken)) return { identitytoken }
  if (isText(auth)) {
    const decoded = /^[\w+/=-]+$/.test(auth) ? Buffer.from(auth, 'base64').toString() : ''
    const colon = decoded.indexOf(':')
    if (colon < 0) return 'invalid'
    // Docker pads with NUL.
    const found = { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') }
    if (found.password !== '') secrets.add(found.password)
    return found
  }
  if (isText(username)) return { username, password: isText(password) ? password : '' }
  return undefined
}

/** An address may hold a password, and be of any length. */
function shown(address: string): string {
  return JSON.stringify(address.replace(/^([a-z]+:\/\/)?[^/]*@/i, '$1').slice(0, 100))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
