import { createWriteStream } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Clock, type Random, systemClock, systemRandom } from '@runner-core/fleeting'
import { pluginDirectory, programIn } from '../find-go-plugin.ts'
import { directoryOf, directoryOfDigest, escapeCapitals } from '../plugin-reference.ts'
import { bestVersion, fittingVersions } from '../plugin-version.ts'
import { findPluginLayer, type PluginLayer, readReference } from './artifact.ts'
import { readCredentials, storeCredentials } from './credentials.ts'
import { InstallError } from './install-error.ts'
import { hostPlatform, type Platform } from './platform.ts'
import { RegistryClient } from './registry-client.ts'
import type { RegistryExchange } from './registry-exchange.ts'
import { openStagingDirectory } from './staging-directory.ts'
import { unpackPlugin } from './unpack-plugin.ts'

export interface RegistryOptions {
  readonly exchange: RegistryExchange
  /** The registry is spoken to over HTTP. Default: HTTPS, but for a registry on this machine that speaks HTTP only. */
  readonly plainHttp?: boolean
  /** `DOCKER_CONFIG`, `FLEETING_PLUGIN_PATH` and the like. Default: this process's own. */
  readonly environment?: NodeJS.ProcessEnv
  readonly clock?: Clock
  readonly random?: Random
  readonly signal?: AbortSignal
}

export interface InstallOptions extends RegistryOptions {
  /** Default: this system. */
  readonly platform?: Platform
  /** Called when it is known what will be fetched, and then with each part that came. */
  readonly onProgress?: (progress: InstallProgress) => void
}

export interface InstallProgress {
  readonly version: string
  readonly platform: Platform
  /** Bytes. */
  readonly received: number
  readonly size: number
}

export interface InstalledPlugin {
  readonly version: string
  /** The executable. */
  readonly file: string
  /** False: this version was there before. */
  readonly isNew: boolean
}

/**
 * Installs a plugin from a registry, where upstream's runner finds it too: `aws`, `aws:1.5`, `group/plugin:1`; and by
 * digest, where only this one finds it: `registry.example.com/group/plugin@sha256:…`. A version that is there stays as
 * it is. It appears in the directory of plugins as a whole or not at all, also when this process is killed; what a
 * killed one left is removed. Thrown: {@link InstallError}, the signal's reason.
 */
export async function installPlugin(text: string, options: InstallOptions): Promise<InstalledPlugin> {
  const { environment = process.env, platform = hostPlatform(), onProgress = () => {} } = options
  const reference = readReference(text)
  const client = await connect(reference, options)
  const layer = await findPluginLayer(client, reference, platform)
  const root = pluginDirectory(environment)
  const target =
    reference.digest === undefined
      ? join(directoryOf(reference, root), escapeCapitals(layer.version))
      : directoryOfDigest(reference, reference.digest, root)
  const name = basename(reference.repository)
  let isNew = false
  if (programIn(target, name) === undefined) {
    try {
      isNew = await build(client, layer, { root, target, name, onProgress })
    } catch (cause) {
      if (!isFileError(cause)) throw cause
      throw new InstallError('not_written', `${root} cannot be written: ${cause.message}`, { cause })
    }
  }
  const file = programIn(target, name)
  if (file === undefined)
    throw new InstallError('not_written', `${target} exists but contains no program; remove it and install again`)
  return { version: layer.version, file, isNew }
}

/** The versions that a registry has of what `text` names, ascending. Thrown: {@link InstallError}. */
export async function listVersions(text: string, options: RegistryOptions): Promise<readonly string[]> {
  const reference = readReference(text)
  // Without a version it means all of them, as upstream's lister has it.
  const isVersioned = /:[^/]*$/.test(text)
  const versions = (await (await connect(reference, options)).tags()).filter((tag) => /^v?\d+\.\d+\.\d+/.test(tag))
  if (isVersioned && reference.wanted === 'latest')
    return [bestVersion(versions, 'latest')].filter((best) => best !== undefined)
  return fittingVersions(versions, reference.wanted)
}

/**
 * Keeps credentials for a registry, after it has taken them: where `docker login` keeps them. Answers with where that
 * is. Thrown: {@link InstallError}.
 */
export async function logIn(
  registry: string | undefined,
  credentials: { readonly username: string; readonly password: string },
  options: RegistryOptions,
): Promise<string> {
  // Any name will do: what is asked for is its registry.
  const { registry: server } = readReference(registry === undefined ? 'any' : `${registry}/any`)
  if (registry !== undefined && server !== registry && registry !== 'docker.io') {
    throw new InstallError(
      'invalid_reference',
      `${JSON.stringify(registry)}: expected the name of a registry, such as registry.example.com`,
    )
  }
  await new RegistryClient({ ...clientOptions(options), registry: server, credentials }).ping()
  return await storeCredentials(server, credentials, options.environment ?? process.env)
}

async function connect(
  reference: { readonly registry: string; readonly repository: string },
  options: RegistryOptions,
): Promise<RegistryClient> {
  const { registry, repository } = reference
  const credentials = await readCredentials(reference, options.environment ?? process.env)
  return new RegistryClient({ ...clientOptions(options), registry, repository, credentials })
}

function clientOptions({
  exchange,
  plainHttp = false,
  clock = systemClock,
  random = systemRandom,
  signal = new AbortController().signal,
}: RegistryOptions) {
  return { exchange, plainHttp, clock, random, signal }
}

/** False: another process was faster. */
async function build(
  client: RegistryClient,
  layer: PluginLayer,
  {
    root,
    target,
    name,
    onProgress,
  }: { root: string; target: string; name: string; onProgress: (progress: InstallProgress) => void },
): Promise<boolean> {
  const { version, platform, digest, size } = layer
  await using staging = await openStagingDirectory(root)
  const archive = join(staging.directory, 'layer')
  await client.blob(digest, size, async (bytes) => {
    let received = 0
    onProgress({ version, platform, received, size })
    await pipeline(
      bytes,
      async function* (source: AsyncIterable<Uint8Array>) {
        for await (const chunk of source) {
          received += chunk.length
          onProgress({ version, platform, received, size })
          yield chunk
        }
      },
      createWriteStream(archive, { mode: 0o600 }),
    )
  })
  const unpacked = await unpackPlugin(archive, join(staging.directory, 'unpacked'))
  if (programIn(unpacked, name) === undefined)
    throw new InstallError('not_a_plugin', "the plugin's archive contains no program")
  await mkdir(dirname(target), { recursive: true })
  try {
    await rename(unpacked, target)
    return true
  } catch (error) {
    if (
      isFileError(error) &&
      ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code ?? '') &&
      programIn(target, name) !== undefined
    )
      return false
    throw error
  }
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string'
}
