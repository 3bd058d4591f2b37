import { open, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '@runner-core/fleeting'
import {
  type AuthConfig,
  AuthConfigError,
  longestAuthConfig,
  parseAuthConfig,
  type RegistryCredentials,
} from './auth-config.ts'
import { askCredentialHelper, CredentialHelperError } from './credential-helper.ts'
import { credentialPathOf, credentialPaths, type NamedImage } from './image-reference.ts'

/** Of the job's payload. */
interface PayloadCredentials {
  /** Only `registry` is of interest. */
  readonly type: string
  readonly url: string
  readonly username: string
  readonly password: string
}

export interface RegistryAuthOptions {
  /** `DOCKER_AUTH_CONFIG` of the job, expanded; the content of a file variable. Empty or undefined: not set. */
  readonly ofJob: string | undefined
  /** The same of `environment` in the configuration. */
  readonly ofRunner: string | undefined
  readonly payload: readonly PayloadCredentials[]
  /** Of this process: `DOCKER_CONFIG` and `HOME` say where the user's `config.json` is; helpers run in it. */
  readonly environment: NodeJS.ProcessEnv
  /** @defaultValue looks on this computer's disk */
  readonly findUserFile?: FindUserFile | undefined
  readonly clock: Clock
}

export interface FoundCredentials {
  /** Undefined: none are known for the image. */
  readonly credentials: RegistryCredentials | undefined
  /** Where the credentials are from, for people: `$DOCKER_AUTH_CONFIG`. Undefined with them. */
  readonly source: string | undefined
  /** To be masked in the trace before anything else is written to it. */
  readonly secrets: readonly string[]
  /** Sources that are not used, and why. They contain no secret. */
  readonly warnings: readonly string[]
}

interface Source {
  readonly name: string
  readonly config: AuthConfig
}

/** Helpers that are run for one image. A job may name any number. */
const maxHelperRuns = 4
/** The address under which Docker's tools keep the credentials of Docker Hub. */
const dockerHubAddress = 'https://index.docker.io/v1/'

/**
 * What one job may show to registries, in upstream's order: `DOCKER_AUTH_CONFIG` of the job, then of the runner, the
 * user's `config.json`, the job's payload. The entry with the longest path that matches the image is used; of several
 * with the same path, the first.
 */
export class RegistryAuth {
  /** Passwords and tokens of all sources, those of credential helpers excepted: to be masked in the trace. */
  readonly secrets: readonly string[]
  /** Sources that are not used, and why. They contain no secret. */
  readonly warnings: readonly string[]
  readonly #sources: readonly Source[]
  readonly #options: Pick<RegistryAuthOptions, 'environment' | 'clock'>
  readonly #asked = new Map<string, RegistryCredentials>()

  private constructor(
    sources: readonly Source[],
    warnings: readonly string[],
    options: Pick<RegistryAuthOptions, 'environment' | 'clock'>,
  ) {
    this.#sources = sources
    this.#options = options
    this.secrets = [...new Set(sources.flatMap(({ config }) => config.secrets))]
    this.warnings = [
      ...warnings,
      ...sources.flatMap(({ name, config }) => config.problems.map((problem) => `${name}: ${problem}`)),
    ]
  }

  /** Reads all sources. Never rejects: a source that cannot be read is a warning. */
  static async open({
    ofJob,
    ofRunner,
    payload,
    environment,
    findUserFile = userFile,
    clock,
  }: RegistryAuthOptions): Promise<RegistryAuth> {
    const warnings: string[] = []
    const sources: Source[] = []
    const add = (name: string, text: string | undefined): void => {
      if (text === undefined || text.trim() === '') return
      try {
        sources.push({ name, config: parseAuthConfig(text) })
      } catch (error) {
        if (!(error instanceof AuthConfigError)) throw error
        warnings.push(unused(name, error.message))
      }
    }
    add('$DOCKER_AUTH_CONFIG', ofJob)
    add('$DOCKER_AUTH_CONFIG of the runner', ofRunner)
    const file = await findUserFile(environment)
    if (file !== undefined) {
      if (file.error === undefined) add(file.path, file.text)
      else warnings.push(unused(file.path, file.error))
    }
    sources.push({ name: 'job payload (GitLab Registry)', config: payloadConfig(payload) })
    return new RegistryAuth(sources, warnings, { environment, clock })
  }

  /** Thrown: the signal's reason. */
  async find(image: NamedImage, signal: AbortSignal): Promise<FoundCredentials> {
    const warnings: string[] = []
    const runs = { left: maxHelperRuns }
    for (const path of credentialPaths(image)) {
      for (const source of this.#sources) {
        const credentials =
          (await this.#askHelpers(source, path, image.registry, { runs, warnings, signal })) ??
          source.config.entries.find((entry) => entry.path === path)?.credentials
        if (credentials !== undefined)
          return { credentials, source: source.name, secrets: secretsIn(credentials), warnings }
      }
    }
    return { credentials: undefined, source: undefined, secrets: [], warnings }
  }

  async #askHelpers(
    { name, config }: Source,
    path: string,
    registry: string,
    {
      runs,
      warnings,
      signal,
    }: { readonly runs: { left: number }; readonly warnings: string[]; readonly signal: AbortSignal },
  ): Promise<RegistryCredentials | undefined> {
    for (const { helper, address } of helpersFor(config, path, registry)) {
      const key = `${helper}\0${address}`
      const known = this.#asked.get(key)
      if (known !== undefined) return known
      if (runs.left-- <= 0) {
        if (runs.left === -1) warnings.push(`${name}: more than ${maxHelperRuns} credential helpers for one image`)
        return undefined
      }
      try {
        const found = await askCredentialHelper({ helper, address, signal, ...this.#options })
        if (found === undefined) continue
        this.#asked.set(key, found)
        return found
      } catch (error) {
        if (!(error instanceof CredentialHelperError)) throw error
        warnings.push(unused(name, error.message))
      }
    }
    return undefined
  }
}

function unused(source: string, why: string): string {
  return `Failed to resolve credentials from ${source}: ${why}. Credentials from this source will not be used.`
}

function helpersFor(
  { helpers, store, stored, entries }: AuthConfig,
  path: string,
  registry: string,
): { readonly helper: string; readonly address: string }[] {
  const own = helpers.filter((each) => each.path === path)
  if (store === undefined) return own
  const address = [...stored, ...entries].find((each) => each.path === path)?.address
  if (address !== undefined) return [...own, { helper: store, address }]
  if (path !== registry) return own
  return [...own, { helper: store, address: registry === 'docker.io' ? dockerHubAddress : registry }]
}

function payloadConfig(payload: readonly PayloadCredentials[]): AuthConfig {
  const entries = payload
    .filter(({ type }) => type === 'registry')
    .map(({ url, username, password }) => ({
      path: credentialPathOf(url),
      address: url,
      credentials: { username, password },
    }))
  const secrets = entries.map(({ credentials }) => credentials.password).filter((password) => password !== '')
  return { entries, helpers: [], store: undefined, stored: [], problems: [], secrets }
}

/** A password is also sent, and may be quoted, in its encoded form. */
export function secretsIn(credentials: RegistryCredentials): string[] {
  if ('identitytoken' in credentials) return [credentials.identitytoken]
  if ('registrytoken' in credentials) return [credentials.registrytoken]
  const { username, password } = credentials
  return password === '' ? [] : [password, Buffer.from(`${username}:${password}`).toString('base64')]
}

/** What `docker login` wrote, or why it cannot be read. */
interface UserFile {
  readonly path: string
  readonly text?: string
  readonly error?: string
}

/** Finds what `docker login` wrote for the user of a process with this environment. Must not reject. */
export type FindUserFile = (environment: NodeJS.ProcessEnv) => Promise<UserFile | undefined>

/** What `docker login` writes; undefined when there is none. */
async function userFile({ DOCKER_CONFIG: directory, HOME: home }: NodeJS.ProcessEnv): Promise<UserFile | undefined> {
  const homeDirectory = home || homedir()
  const paths = directory
    ? [join(directory, 'config.json')]
    : [join(homeDirectory, '.docker', 'config.json'), join(homeDirectory, '.dockercfg')]
  for (const path of paths) {
    try {
      const text = await readBounded(path)
      if (text !== undefined) return { path, text }
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return { path, error: `it cannot be read (${code})` }
    }
  }
  return undefined
}

/** Undefined: it is not a file. A character more than is allowed shows that there are more. */
async function readBounded(path: string): Promise<string | undefined> {
  if (!(await stat(path)).isFile()) return undefined
  await using handle = await open(path)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(longestAuthConfig + 1), 0, longestAuthConfig + 1, 0)
  return buffer.toString('utf8', 0, bytesRead)
}
