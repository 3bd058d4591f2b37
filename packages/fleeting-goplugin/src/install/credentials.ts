import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants, existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { InstallError } from './install-error.ts'

/** How to show a registry who asks: a name and a password, what is exchanged for a token, or a token as it is. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }
  | { readonly registryToken: string }

/** The part of Docker's `config.json` that is of use here. */
interface AuthFile {
  readonly auths?: Readonly<Record<string, AuthEntry | undefined>>
  readonly credHelpers?: Readonly<Record<string, string | undefined>>
  readonly credsStore?: string
}
interface AuthEntry {
  readonly auth?: string
  readonly username?: string
  readonly password?: string
  readonly identitytoken?: string
  readonly registrytoken?: string
}

/** How Docker Hub is called in files of credentials. */
const dockerHubKey = 'https://index.docker.io/v1/'
/** A helper that asks its user would otherwise hold an unattended installation for ever. */
const helperTimeoutMs = 60_000

/**
 * What is known for a repository: where upstream looks, which is where `docker login` and `podman login` leave it.
 * `DOCKER_CONFIG` or `~/.docker`, then `REGISTRY_AUTH_FILE`, then `$XDG_RUNTIME_DIR/containers/auth.json`; credential
 * helpers are asked. Undefined when nothing is. Thrown: {@link InstallError} `invalid_config`.
 */
export async function readCredentials(
  { registry, repository }: { readonly registry: string; readonly repository?: string },
  environment: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const { REGISTRY_AUTH_FILE: podmanFile, XDG_RUNTIME_DIR: runtime } = environment
  const files = [dockerFile(environment), podmanFile, runtime && join(runtime, 'containers', 'auth.json')]
  const file = files.find((each) => each && isFile(each))
  if (file === undefined) return undefined
  const known = readAuthFile(file)
  for (const key of [...(repository === undefined ? [] : [`${registry}/${repository}`]), keyOf(registry)]) {
    const helper = known.credHelpers?.[key] ?? known.credsStore
    const found = (helper ? await askHelper(helper, key) : undefined) ?? credentialsOf(entryOf(known, key), file)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Keeps what `docker login` would, where it would: the file, or the credential helper that the file names. Answers with
 * the file, or the helper's name. Thrown: {@link InstallError} `invalid_config`.
 */
export async function storeCredentials(
  registry: string,
  { username, password }: { readonly username: string; readonly password: string },
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const named = dockerFile(environment)
  // The file may be a link to where it is kept.
  const file = existsSync(named) ? realpathSync(named) : named
  const known = existsSync(file) ? readAuthFile(file) : {}
  const key = keyOf(registry)
  const helper = known.credHelpers?.[key] ?? known.credsStore
  if (helper) {
    await runHelper(helper, 'store', JSON.stringify({ ServerURL: key, Username: username, Secret: password }))
    return helperName(helper)
  }
  const entry = { ...known.auths?.[key], auth: Buffer.from(`${username}:${password}`).toString('base64') }
  await replace(file, `${JSON.stringify({ ...known, auths: { ...known.auths, [key]: entry } }, undefined, '\t')}\n`)
  return file
}

function dockerFile({ DOCKER_CONFIG: directory, HOME: home }: NodeJS.ProcessEnv): string {
  return join(directory || join(home || homedir(), '.docker'), 'config.json')
}

function keyOf(registry: string): string {
  return registry === 'index.docker.io' ? dockerHubKey : registry
}

/** Old files have whole addresses for keys. */
function entryOf({ auths = {} }: AuthFile, key: string): AuthEntry | undefined {
  const host = Object.keys(auths).find((each) => /^https?:\/\/([^/]+)(\/v[12])?\/?$/.exec(each)?.[1] === key)
  return auths[key] ?? (host === undefined ? undefined : auths[host])
}

function credentialsOf(entry: AuthEntry | undefined, file: string): Credentials | undefined {
  if (entry?.registrytoken) return { registryToken: entry.registrytoken }
  if (entry?.identitytoken) return { identityToken: entry.identitytoken }
  if (entry?.auth) {
    const [, username, password] = /^([^:]+):(.*)$/s.exec(Buffer.from(entry.auth, 'base64').toString()) ?? []
    // Docker fills the end with zeros.
    if (username !== undefined && password !== undefined) return { username, password: password.replace(/\0+$/, '') }
    throw new InstallError('invalid_config', `${file}: an "auth" is not the base64 of name:password`)
  }
  return entry?.username ? { username: entry.username, password: entry.password ?? '' } : undefined
}

async function askHelper(helper: string, key: string): Promise<Credentials | undefined> {
  const answer = await runHelper(helper, 'get', key)
  if (answer === undefined) return undefined
  const { Username: username, Secret: secret } = parseObject<{ Username?: string; Secret?: string }>(
    answer,
    helperName(helper),
  )
  if (!secret) return undefined
  return username === '<token>' ? { identityToken: secret } : { username: username ?? '', password: secret }
}

/** By Docker's protocol. Undefined when the helper knows of no such credentials. */
function runHelper(helper: string, action: 'get' | 'store', input: string): Promise<string | undefined> {
  const program = helperName(helper)
  return new Promise((resolve, reject) => {
    const child = execFile(program, [action], { timeout: helperTimeoutMs }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const said = (stdout.trim() || stderr.trim()).slice(0, 300)
      if (/credentials not found/i.test(said)) return resolve(undefined)
      const why = 'code' in error && error.code === 'ENOENT' ? 'it is not on PATH' : said || error.message
      reject(new InstallError('invalid_config', `the credential helper ${program} failed: ${why}`, { cause: error }))
    })
    // One that ends without reading shows why by its exit code.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function helperName(helper: string): string {
  if (!/^[\w.-]+$/.test(helper))
    throw new InstallError('invalid_config', `${JSON.stringify(helper)} is not the name of a credential helper`)
  return `docker-credential-${helper}`
}

function readAuthFile(file: string): AuthFile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new InstallError('invalid_config', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  return parseObject<AuthFile>(text, file)
}

/** The text is not quoted: there are secrets in it. */
function parseObject<T extends object>(text: string, from: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InstallError('invalid_config', `${from}: expected a JSON object`)
  return value as T
}

/** Never half written, and for nobody else to read from its first byte on. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw new InstallError('invalid_config', `${file} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
}
