// Artifacts of plugins as upstream's releaser makes them, and as nobody should.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { account } from './docker-registry.ts'

export interface ArchivedFile {
  readonly path: string
  readonly content?: string | Buffer
  readonly mode?: number
  /** A symbolic link to it. */
  readonly linkTo?: string
}

export interface PushedPlugin {
  readonly version: string
  readonly tags?: readonly string[]
  /** Of each platform, `linux/arm/v7`. */
  readonly files: Readonly<Record<string, readonly ArchivedFile[]>>
  /** Without upstream's mark. */
  readonly isUnmarked?: boolean
  /** The only manifest itself, without an index. */
  readonly isSingle?: boolean
  readonly isPlainTar?: boolean
}

/** A program that says so. */
export const program = (says: string, path = 'plugin/plugin'): ArchivedFile => ({
  path,
  content: `#!/bin/sh\necho ${says}\n`,
  mode: 0o755,
})

/** Pushes to a registry at `origin`; answers the digests of its layers by platform. */
export async function push(
  origin: string,
  repository: string,
  plugin: PushedPlugin,
): Promise<Readonly<Record<string, string>>> {
  const { version, tags = [version], isUnmarked, isSingle, isPlainTar } = plugin
  const layers: Record<string, string> = {}
  const manifests = []
  let only: object = {}
  for (const [platform, files] of Object.entries(plugin.files)) {
    const [os, architecture, variant] = platform.split('/')
    const tar = archive(files)
    const layer = await pushBlob(origin, repository, isPlainTar ? tar : gzipSync(tar))
    const config = await pushBlob(
      origin,
      repository,
      Buffer.from(JSON.stringify({ os, architecture, ...(variant && { variant }) })),
    )
    layers[platform] = layer.digest
    only = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [
        {
          mediaType: `application/vnd.oci.image.layer.v1.tar${isPlainTar ? '' : '+gzip'}`,
          ...layer,
          ...(!isUnmarked && { annotations: { 'com.gitlab.fleeting.layer': version } }),
        },
      ],
    }
    const text = JSON.stringify(only)
    const digest = digestOf(text)
    await pushManifest(origin, repository, digest, text, manifestType)
    manifests.push({
      mediaType: manifestType,
      digest,
      size: text.length,
      platform: { os, architecture, ...(variant && { variant }) },
    })
  }
  const text = JSON.stringify(isSingle ? only : { schemaVersion: 2, mediaType: indexType, manifests })
  for (const tag of tags) await pushManifest(origin, repository, tag, text, isSingle ? manifestType : indexType)
  return layers
}

const indexType = 'application/vnd.oci.image.index.v1+json'
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const authorization = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`

export const digestOf = (bytes: string | Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function pushBlob(
  origin: string,
  repository: string,
  bytes: Buffer,
): Promise<{ readonly digest: string; readonly size: number }> {
  const digest = digestOf(bytes)
  const begun = await fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers: { authorization } })
  const url = new URL(begun.headers.get('location')!, origin)
  url.searchParams.set('digest', digest)
  const headers = { authorization, 'content-type': 'application/octet-stream' }
  const done = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) })
  if (done.status !== 201) throw new Error(`blob: ${done.status} ${await done.text()}`)
  return { digest, size: bytes.length }
}

async function pushManifest(
  origin: string,
  repository: string,
  reference: string,
  body: string,
  type: string,
): Promise<void> {
  const headers = { authorization, 'content-type': type }
  const done = await fetch(`${origin}/v2/${repository}/manifests/${reference}`, { method: 'PUT', headers, body })
  if (done.status !== 201) throw new Error(`manifest: ${done.status} ${await done.text()}`)
}

/** A tar of any names, which no decent program would write. */
function archive(files: readonly ArchivedFile[]): Buffer {
  const blocks = files.flatMap(({ path, content = '', mode = 0o644, linkTo = '' }) => {
    const bytes = Buffer.from(content)
    const header = Buffer.alloc(512)
    header.write(path, 0, 100)
    header.write(`${mode.toString(8).padStart(7, '0')}\0${'0'.repeat(7)}\0${'0'.repeat(7)}\0`, 100)
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        `, 124)
    header.write(linkTo === '' ? '0' : '2', 156)
    header.write(linkTo, 157, 100)
    header.write('ustar\x0000', 257)
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}
