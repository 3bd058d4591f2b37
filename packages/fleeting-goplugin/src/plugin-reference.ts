import { join } from 'node:path'

/** What `[[registry/]repository/]name[:version]` names, with upstream's defaults for what is left out. */
export interface PluginReference {
  /** `registry.example.com`, `127.0.0.1:5000`. */
  readonly registry: string
  /** Inside the registry: `group/plugin`. */
  readonly repository: string
  /** `latest`, a version, or the beginning of one. Of a reference by digest: the digest. */
  readonly wanted: string
  /** `sha256:` and 64 hexadecimal digits, of a reference by digest. */
  readonly digest?: string
}

const defaultRegistry = 'registry.gitlab.com'
const defaultNamespace = 'gitlab-org/fleeting/plugins'
/** Docker Hub's, by both of its names; upstream writes the second. */
const dockerHub = { alias: 'docker.io', registry: 'index.docker.io', namespace: 'library' }

/** Undefined where it is no reference of an installed plugin. */
export function parseReference(reference: string): PluginReference | undefined {
  const match = /^([^:@]+(?::\d+(?=\/))?[^:@]*)(?::([\w][\w.-]{0,126})|@(sha256:[\da-f]{64}))?$/.exec(reference)
  if (match === null) return undefined
  const [, path = '', version, digest] = match
  const parts = path.split('/')
  const isHost = parts.length > 1 && /\.|^localhost:/.test(parts[0] as string)
  const named = isHost ? (parts.shift() as string) : defaultRegistry
  const registry = named === dockerHub.alias ? dockerHub.registry : named
  if (!/^[\w-][\w.-]*(?::\d{1,5})?$/.test(registry) || parts.some((part) => !/^[\w-][\w.-]*$/.test(part)))
    return undefined
  const namespace = isHost ? (registry === dockerHub.registry ? dockerHub.namespace : undefined) : defaultNamespace
  const repository = parts.length === 1 && namespace !== undefined ? `${namespace}/${parts[0]}` : parts.join('/')
  return { registry, repository, wanted: digest ?? version ?? 'latest', ...(digest !== undefined && { digest }) }
}

/**
 * Where the versions of a plugin are, under the directory of plugins, as upstream lays it out: capitals are written as
 * Go writes module paths. The port of a registry, which upstream cannot install from, stands behind a `!`.
 */
export function directoryOf({ registry, repository }: PluginReference, root: string): string {
  return join(root, escapeCapitals(registry).replace(':', '!'), ...repository.split('/').map(escapeCapitals))
}

/**
 * Where what is installed by digest is, beside the versions: two artifacts may call themselves the same version. No
 * registry's name begins with a dot.
 */
export function directoryOfDigest(reference: PluginReference, digest: string, root: string): string {
  return join(directoryOf(reference, join(root, '.digests')), digest.replace(':', '-'))
}

/** The name of a version's directory. */
export function escapeCapitals(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`)
}

export function unescapeCapitals(name: string): string {
  return name.replaceAll(/!([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
