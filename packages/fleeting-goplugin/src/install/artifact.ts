import { type PluginReference, parseReference } from '../plugin-reference.ts'
import { bestVersion, contradicts, fittingVersions, isPluginVersion } from '../plugin-version.ts'
import { InstallError } from './install-error.ts'
import { choosePlatform, nameOf, type Platform } from './platform.ts'
import type { Fetched, RegistryClient } from './registry-client.ts'

/** What of an artifact is the plugin. */
export interface PluginLayer {
  readonly version: string
  readonly platform: Platform
  readonly digest: string
  /** As it is sent, bytes. */
  readonly size: number
}

interface Descriptor {
  readonly digest: string
  readonly size: number
  readonly platform?: Platform
  /** The version, if it is the layer of a plugin. */
  readonly mark?: string
}

const indexes = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']
const manifests = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']
/** What upstream's releaser marks the plugin's own layer with; its value is the version. */
const layerAnnotation = 'com.gitlab.fleeting.layer'

/** `text` as a reference. Thrown: {@link InstallError} `invalid_reference`. */
export function readReference(text: string): PluginReference {
  const reference = parseReference(text)
  // Registries know no capitals, which the directories of plugins may have.
  if (reference !== undefined && !/[A-Z]/.test(reference.repository)) return reference
  throw new InstallError(
    'invalid_reference',
    `${JSON.stringify(text)}: expected [[registry/]repository/]name[:version], in lower case`,
  )
}

/**
 * Finds the plugin's layer: the tag itself, as upstream's installer does, whose releaser keeps tags such as `1` and
 * `latest`; where there is no such tag, the best version among the tags. Thrown: {@link InstallError}.
 */
export async function findPluginLayer(
  client: RegistryClient,
  reference: PluginReference,
  host: Platform,
): Promise<PluginLayer> {
  const { top, tag } = await fetchTop(client, reference)
  const isIndex = indexes.includes(top.mediaType) || Array.isArray(top.json['manifests'])
  const { manifest, platform } = isIndex
    ? await chooseManifest(client, reference, top, host)
    : { manifest: top, platform: await platformOf(client, top) }
  if (choosePlatform([{ platform }], host) === undefined) throw notForThis(reference, [platform], host)
  const layer = descriptors(manifest.json['layers']).find(({ mark }) => mark !== undefined)
  const version = layer?.mark
  if (layer === undefined || version === undefined) {
    throw new InstallError(
      'not_a_plugin',
      `${told(reference)} is an image, but not a plugin's: none of its layers is marked ${layerAnnotation}, as upstream's fleeting-artifact does`,
    )
  }
  if (!isPluginVersion(version))
    throw new InstallError(
      'not_a_plugin',
      `${told(reference)}: ${JSON.stringify(version)} is not a version of a plugin`,
    )
  // It would be installed as that version, which the reference does not mean: the configuration would name another
  // plugin, or none.
  if (tag !== undefined && contradicts(version, tag))
    throw new InstallError('wrong_version', `${told({ ...reference, wanted: tag })} calls itself ${version}`)
  return { version, platform, digest: layer.digest, size: layer.size }
}

/** `tag`: by which it was found; undefined of a reference by digest. */
async function fetchTop(
  client: RegistryClient,
  reference: PluginReference,
): Promise<{ readonly top: Fetched; readonly tag: string | undefined }> {
  const accept = [...indexes, ...manifests].join(', ')
  const exact = await client.manifest(reference.wanted, accept)
  if (exact !== undefined) return { top: exact, tag: reference.digest === undefined ? reference.wanted : undefined }
  const tags = reference.digest === undefined ? await client.tags() : []
  const best = bestVersion(tags, reference.wanted)
  const found = best === undefined ? undefined : await client.manifest(best, accept)
  if (found !== undefined) return { top: found, tag: best }
  const versions = fittingVersions(tags, 'latest')
  const shown = (versions.length > 0 ? versions : tags).slice(-20).join(', ')
  throw new InstallError('not_found', `${told(reference)} does not exist${shown === '' ? '' : `; available: ${shown}`}`)
}

async function chooseManifest(
  client: RegistryClient,
  reference: PluginReference,
  index: Fetched,
  host: Platform,
): Promise<{ readonly manifest: Fetched; readonly platform: Platform }> {
  const offered = descriptors(index.json['manifests'])
  const chosen = choosePlatform(offered, host)
  if (chosen?.platform === undefined)
    throw notForThis(
      reference,
      offered.flatMap(({ platform }) => platform ?? []),
      host,
    )
  const manifest = await client.manifest(chosen.digest, manifests.join(', '))
  if (manifest === undefined)
    throw new InstallError(
      'not_found',
      `${told(reference)}: its manifest for ${nameOf(chosen.platform)} does not exist`,
    )
  return { manifest, platform: chosen.platform }
}

/** An image without an index says in its configuration what it is for. */
async function platformOf(client: RegistryClient, manifest: Fetched): Promise<Platform> {
  const [config] = descriptors([manifest.json['config']])
  const told = config === undefined ? undefined : await client.document(config.digest)
  return readPlatform(told?.json) ?? { os: 'unknown', architecture: 'unknown' }
}

function notForThis(reference: PluginReference, offered: readonly Platform[], host: Platform): InstallError {
  const there = [...new Set(offered.map(nameOf))].join(', ') || 'none'
  return new InstallError('no_platform', `${told(reference)} is not for ${nameOf(host)}; it is for: ${there}`)
}

/** Those of a list that are whole; a digest is what will be checked, so that only one kind is taken. */
function descriptors(list: unknown): readonly Descriptor[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((each: unknown) => {
    const { digest, size, platform, annotations } = Object(each) as Partial<
      Record<keyof Descriptor | 'annotations', unknown>
    >
    if (
      typeof digest !== 'string' ||
      !/^sha256:[\da-f]{64}$/.test(digest) ||
      !Number.isSafeInteger(size) ||
      (size as number) < 0
    )
      return []
    const known = readPlatform(platform)
    const mark = (Object(annotations) as Readonly<Record<string, unknown>>)[layerAnnotation]
    return [
      { digest, size: size as number, ...(known && { platform: known }), ...(typeof mark === 'string' && { mark }) },
    ]
  })
}

function readPlatform(value: unknown): Platform | undefined {
  const { os, architecture, variant } = Object(value) as Partial<Record<keyof Platform, unknown>>
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  return { os, architecture, ...(typeof variant === 'string' && { variant }) }
}

function told({ registry, repository, wanted, digest }: PluginReference): string {
  return `${registry}/${repository}${digest === undefined ? ':' : '@'}${wanted}`
}
