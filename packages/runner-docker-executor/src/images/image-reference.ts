/** Thrown when a text is not a valid name of an image. The message quotes it and gives the reason. */
export class ImageNameError extends Error {
  override readonly name = 'ImageNameError'
  readonly code = 'invalid_image_name'
  readonly reason: string

  constructor(text: string, reason: string) {
    const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text
    super(`${JSON.stringify(shown)} is not a valid image name: ${reason}`)
    this.reason = reason
  }
}

/** An image by its name in a registry. */
export interface NamedImage {
  readonly kind: 'name'
  /**
   * The name to give to the Engine: as written, with `:latest` added when there is neither tag nor digest, and without
   * the tag when there are both.
   */
  readonly name: string
  /** Host and port, in lower case; `docker.io` where the name has none. */
  readonly registry: string
  /** With `library/` for the official images of Docker Hub. */
  readonly repository: string
  /** Undefined when there is a digest. */
  readonly tag: string | undefined
  readonly digest: string | undefined
}

/** An image by its id in the Engine. It cannot be pulled. */
interface ImageId {
  readonly kind: 'id'
  /** `sha256:` and 64 hexadecimal digits. */
  readonly name: string
}

export type ImageReference = NamedImage | ImageId

/** The registry of names without one. */
const defaultRegistry = 'docker.io'
/** Docker rejects longer ones. */
const longestName = 255
const longestReference = 1024

const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const domain = new RegExp(`^(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`)
const pathPart = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,256}$/
const idPattern = /^(?:sha256:)?([0-9a-f]{64})$/

/** Parses the name of an image as Docker does. Thrown: {@link ImageNameError}. */
export function parseImageReference(text: string): ImageReference {
  const id = idPattern.exec(text)?.[1]
  if (id !== undefined) return { kind: 'id', name: `sha256:${id}` }
  const fail = (why: string): never => {
    throw new ImageNameError(text, why)
  }
  if (text === '') return fail('it is empty')
  if (text.length > longestReference) return fail(`it has more than ${longestReference} characters`)
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  if (digest !== undefined && !isDigest(digest)) return fail('what follows the @ is not a digest')
  const tagged = at < 0 ? text : text.slice(0, at)
  const colon = tagged.indexOf(':', tagged.lastIndexOf('/') + 1)
  const tag = colon < 0 ? undefined : tagged.slice(colon + 1)
  if (tag !== undefined && !tagPattern.test(tag)) return fail('what follows the last colon is not a tag')
  const path = colon < 0 ? tagged : tagged.slice(0, colon)
  const [first, rest] = splitRegistry(path)
  if (first !== undefined && !domain.test(first)) return fail(`${JSON.stringify(first)} is not a registry`)
  for (const part of rest.split('/')) {
    if (part === '') return fail('a part between slashes is empty')
    if (part !== part.toLowerCase()) return fail('a repository must be lower case')
    if (!pathPart.test(part)) return fail(`${JSON.stringify(part)} has a character that is not allowed there`)
  }
  const registry = first === undefined ? defaultRegistry : registryName(first)
  const isLibrary = registry === defaultRegistry && !rest.includes('/')
  const repository = isLibrary ? `library/${rest}` : rest
  if (registry.length + 1 + repository.length > longestName)
    return fail(`registry and repository have more than ${longestName} characters`)
  const name = digest === undefined ? `${path}:${tag ?? 'latest'}` : `${path}@${digest}`
  return { kind: 'name', name, registry, repository, tag: digest === undefined ? (tag ?? 'latest') : undefined, digest }
}

function isDigest(text: string): boolean {
  return digestPattern.test(text) && (!text.startsWith('sha256:') || /^sha256:[0-9a-f]{64}$/.test(text))
}

/** The first part is a registry when it cannot be part of a repository of Docker Hub. */
function splitRegistry(path: string): readonly [string | undefined, string] {
  const slash = path.indexOf('/')
  if (slash < 0) return [undefined, path]
  const first = path.slice(0, slash)
  const isRegistry = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  return isRegistry ? [first, path.slice(slash + 1)] : [undefined, path]
}

/** Registry, repository, and tag or digest. */
export function fullImageName({ registry, repository, tag, digest }: NamedImage): string {
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`
}

/** Docker Hub has two names. */
function registryName(host: string): string {
  const lower = host.toLowerCase()
  return lower === `index.${defaultRegistry}` ? defaultRegistry : lower
}

/** The paths that credentials for the image may have, longest first: `host/group/image`, `host/group`, `host`. */
export function credentialPaths({ registry, repository }: NamedImage): string[] {
  const parts = repository.split('/')
  return [...parts.map((_, index) => [registry, ...parts.slice(0, parts.length - index)].join('/')), registry]
}

/** The path of a server address in a file of credentials: see {@link credentialPaths}. */
export function credentialPathOf(key: string): string {
  const isUrl = /^https?:\/\//i.test(key)
  const path = key.replace(/^https?:\/\//i, '').replace(/\/+$/, '')
  const [host = '', ...rest] = path.split('/')
  const registry = registryName(host)
  // The path of a URL is the version of the registry's API, as in `https://index.docker.io/v1/`.
  if (isUrl || (registry === defaultRegistry && /^v[12]$/.test(rest.join('/')))) return registry
  const last = rest.at(-1)
  if (last !== undefined) rest[rest.length - 1] = last.split(':')[0]!
  return [registry, ...rest].join('/')
}
