import { parseImageReference } from '../images/image-reference.ts'

/** What a service is called after its image. */
export interface ServiceImageName {
  /** Registry without its port and repository, as written: `tutum/wordpress`. */
  readonly service: string
  /** Tag, or `@` and digest: `latest`. */
  readonly version: string
}

/** Thrown: `ImageNameError`. */
export function serviceImageName(image: string): ServiceImageName {
  const reference = parseImageReference(image)
  if (reference.kind === 'id') return { service: reference.name.slice('sha256:'.length, 19), version: reference.name }
  const { tag, digest } = reference
  const [path = ''] = image.split('@')
  const name = path.replace(/:[^/:]*$/, (end) => (path.endsWith(end) ? '' : end))
  return { service: name.replace(/:\d+(?=\/)/, ''), version: digest === undefined ? (tag ?? '') : `@${digest}` }
}

/** Names that a service has in the network of its job: those that its image gives, and those that were asked for. */
export function serviceAliases({ service }: Pick<ServiceImageName, 'service'>, alias: string): readonly string[] {
  const given = [service.replaceAll('/', '__'), service.replaceAll('/', '-'), ...alias.split(/[\s,]+/)]
  return [...new Set(given)].filter((name) => name !== '')
}

const label = '[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?'
const hostName = new RegExp(`^${label}(?:\\.${label})*$`)

/** Whether DNS can be asked for it. Underscores are no host name's, but all resolvers take them. */
export function isResolvable(name: string): boolean {
  return name.length <= 253 && hostName.test(name)
}
