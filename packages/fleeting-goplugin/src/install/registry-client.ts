import { createHash } from 'node:crypto'
import {
  type BackoffCurve,
  backoffMs,
  type Clock,
  delay,
  describeError,
  type Random,
  readRetryAfter,
} from '@runner-core/fleeting'
import { type Challenge, parseChallenges } from './challenge.ts'
import type { Credentials } from './credentials.ts'
import { InstallError } from './install-error.ts'
import type { RegistryAnswer, RegistryExchange } from './registry-exchange.ts'

export interface RegistryClientOptions {
  readonly registry: string
  /** What tokens are asked for. Undefined: the registry as a whole. */
  readonly repository?: string
  readonly credentials: Credentials | undefined
  /** HTTP, not HTTPS. Without it only a registry on this machine may speak HTTP. */
  readonly plainHttp: boolean
  readonly exchange: RegistryExchange
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/** A document of the registry, with the digest that it has. */
export interface Fetched {
  readonly json: Readonly<Record<string, unknown>>
  readonly digest: string
  readonly mediaType: string
}

/** Tries in all, of what may go better the next time. */
const maxTries = 4
const tryCurve: BackoffCurve = { baseMs: 500, maxMs: 60_000 }
const longestWaitMs = 60_000
const maxRedirects = 5
/** Manifests are documents of some kilobytes; the distribution's own bound is 4 MiB. */
const longestDocumentBytes = 4 * 1024 * 1024
/** Pages of tags: against a registry that always names another. */
const maxPages = 1000

/**
 * Reads from one repository by the distribution API: `Bearer` tokens as its specification has them, and `Basic`.
 * Credentials are shown only after they were asked for, only over HTTPS (or to who speaks HTTP by consent), and to
 * nobody that we are redirected to. All reject with {@link InstallError}, or the signal's reason.
 */
export class RegistryClient {
  readonly #options: RegistryClientOptions
  #origin: string | undefined
  #authorization: string | undefined

  constructor(options: RegistryClientOptions) {
    this.#options = options
  }

  /** That the registry is there, and takes the credentials where it wants any. */
  async ping(): Promise<void> {
    const answer = await this.#request('/v2/', '*/*')
    answer.body.destroy()
  }

  /** Of a tag or a digest; what is asked for by digest has it. Undefined when there is none. */
  async manifest(reference: string, accept: string): Promise<Fetched | undefined> {
    const answer = await this.#request(`${this.#base}/manifests/${reference}`, accept, [404])
    return await this.#document(answer, `manifest ${reference}`, reference)
  }

  /** A document that is kept as a blob. Undefined when there is none. */
  async document(digest: string): Promise<Fetched | undefined> {
    return await this.#document(
      await this.#request(`${this.#base}/blobs/${digest}`, '*/*', [404]),
      `blob ${digest}`,
      digest,
    )
  }

  /** All of them; none where the repository is not there. */
  async tags(): Promise<readonly string[]> {
    const tags: string[] = []
    let path: string | undefined = `${this.#base}/tags/list`
    for (let pages = 0; path !== undefined && pages < maxPages; pages += 1) {
      const answer: RegistryAnswer = await this.#request(path, 'application/json', [404])
      const page: Fetched | undefined = await this.#document(answer, 'the list of tags')
      const named = page?.json['tags']
      if (Array.isArray(named)) tags.push(...named.filter((tag): tag is string => typeof tag === 'string'))
      const next = /<([^>]+)>\s*;[^,]*rel="?next"?/.exec(headerOf(answer, 'link') ?? '')?.[1]
      const here: URL = new URL(path, this.#origin)
      const url = next === undefined ? undefined : new URL(next, here)
      path =
        url === undefined || url.origin !== here.origin || url.href === here.href
          ? undefined
          : `${url.pathname}${url.search}`
    }
    return tags
  }

  /**
   * Gives `write` the bytes of a blob from its first, and again from its first when the connection breaks. What was
   * written is what the digest says when this resolves.
   */
  async blob(digest: string, size: number, write: (bytes: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#request(`${this.#base}/blobs/${digest}`, '*/*')
      let broken: unknown
      try {
        await write(
          checkedBytes(answer.body, digest, size, (error) => {
            broken = error
          }),
        )
        return
      } catch (error) {
        this.#options.signal.throwIfAborted()
        if (broken === undefined) throw error
        if (tries === maxTries) throw this.#unreachable(broken, `ended early in blob ${digest}`)
      } finally {
        answer.body.destroy()
      }
      await this.#wait(tries)
    }
  }

  get #base(): string {
    return `/v2/${this.#options.repository}`
  }

  async #document(answer: RegistryAnswer, what: string, reference = ''): Promise<Fetched | undefined> {
    if (answer.status === 404) {
      answer.body.destroy()
      return undefined
    }
    const bytes = await this.#read(answer, what)
    const told = reference.startsWith('sha256:') ? reference : headerOf(answer, 'docker-content-digest')
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (told?.startsWith('sha256:') && told !== digest) {
      throw new InstallError(
        'corrupt',
        `${this.#options.registry}: ${what} has the wrong digest: ${digest}, expected ${told}`,
      )
    }
    let json: unknown
    try {
      json = JSON.parse(bytes.toString())
    } catch {
      json = undefined
    }
    if (typeof json !== 'object' || json === null)
      throw new InstallError('refused', `${this.#options.registry}: ${what} is not a JSON object`)
    const { mediaType: named } = json as { readonly mediaType?: unknown }
    const mediaType = typeof named === 'string' ? named : (headerOf(answer, 'content-type') ?? '')
    return { json: json as Fetched['json'], digest, mediaType: mediaType.split(';')[0] as string }
  }

  async #read({ body }: RegistryAnswer, what: string): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    let length = 0
    try {
      for await (const chunk of body) {
        length += chunk.length
        if (length > longestDocumentBytes) break
        chunks.push(chunk)
      }
    } catch (error) {
      this.#options.signal.throwIfAborted()
      throw this.#unreachable(error, `ended early in ${what}`)
    } finally {
      body.destroy()
    }
    if (length > longestDocumentBytes)
      throw new InstallError(
        'refused',
        `${this.#options.registry}: ${what} is longer than ${longestDocumentBytes} bytes`,
      )
    return Buffer.concat(chunks)
  }

  /** Signs on where that is asked for. `expected`: statuses that are an answer, too. */
  async #request(path: string, accept: string, expected: readonly number[] = []): Promise<RegistryAnswer> {
    this.#origin ??= await this.#findOrigin()
    for (let signedOn = false; ; signedOn = true) {
      const answer = await this.#follow(new URL(path, this.#origin), accept)
      if (answer.status === 200 || expected.includes(answer.status)) return answer
      if (answer.status !== 401 || signedOn) throw await this.#refusal(answer)
      answer.body.destroy()
      this.#authorization = await this.#signOn(parseChallenges(headerOf(answer, 'www-authenticate') ?? ''))
    }
  }

  /** A registry on this machine may speak HTTP, as upstream's client has it; HTTPS is tried first. */
  async #findOrigin(): Promise<string> {
    const { registry, plainHttp, exchange, signal } = this.#options
    if (plainHttp) return `http://${registry}`
    if (!isThisMachine(registry)) return `https://${registry}`
    try {
      const answer = await exchange({ method: 'GET', url: new URL(`https://${registry}/v2/`), headers: {}, signal })
      answer.body.destroy()
      return `https://${registry}`
    } catch (error) {
      signal.throwIfAborted()
      return `${isUntrusted(error) ? 'https' : 'http'}://${registry}`
    }
  }

  async #follow(first: URL, accept: string): Promise<RegistryAnswer> {
    let url = first
    for (let redirects = 0; ; redirects += 1) {
      const own =
        url.origin === first.origin && this.#authorization !== undefined ? { authorization: this.#authorization } : {}
      const answer = await this.#patiently({ method: 'GET', url, headers: { accept, ...own } })
      const location = [301, 302, 303, 307, 308].includes(answer.status) ? headerOf(answer, 'location') : undefined
      if (location === undefined) return answer
      answer.body.destroy()
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined
      if (next === undefined || !/^https?:$/.test(next.protocol)) throw this.#refused('redirects to an invalid address')
      if (url.protocol === 'https:' && next.protocol === 'http:')
        throw this.#refused(`redirects from HTTPS to HTTP, to ${next.host}`)
      if (redirects === maxRedirects) throw this.#refused(`redirects more than ${maxRedirects} times`)
      url = next
    }
  }

  /** Again while the server says "later", or says nothing. */
  async #patiently(request: Omit<Parameters<RegistryExchange>[0], 'signal'>): Promise<RegistryAnswer> {
    const { exchange, signal } = this.#options
    for (let tries = 1; ; tries += 1) {
      let answer: RegistryAnswer | undefined
      try {
        answer = await exchange({ ...request, signal })
        if (tries === maxTries || ![408, 429, 500, 502, 503, 504].includes(answer.status)) return answer
        answer.body.destroy()
      } catch (error) {
        signal.throwIfAborted()
        if (tries === maxTries || isFinal(error))
          throw this.#unreachable(error, `${request.url.host} cannot be reached`)
      }
      await this.#wait(tries, answer)
    }
  }

  async #wait(tries: number, answer?: RegistryAnswer): Promise<void> {
    const { clock, random, signal } = this.#options
    const asked = answer === undefined ? undefined : readRetryAfter(headerOf(answer, 'retry-after'), clock.wallTime())
    const waitMs = asked ?? backoffMs(tryCurve, tries, random)
    await delay(clock, Math.min(waitMs, longestWaitMs), signal)
  }

  async #signOn(challenges: readonly Challenge[]): Promise<string> {
    const { registry, credentials } = this.#options
    if (credentials !== undefined && 'registryToken' in credentials) return `Bearer ${credentials.registryToken}`
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) return `Bearer ${await this.#token(bearer.parameters)}`
    if (!challenges.some(({ scheme }) => scheme === 'basic'))
      throw this.#refused('asks for an unsupported way to log in', 'unauthorized')
    if (credentials === undefined) throw this.#unauthorized()
    if ('identityToken' in credentials)
      throw this.#refused(
        `asks for a user name and a password, but only a token is stored for ${registry}`,
        'unauthorized',
      )
    return basic(credentials)
  }

  /** https://distribution.github.io/distribution/spec/auth/token/, and /oauth/ for identity tokens. */
  async #token({ realm = '', service, scope }: Challenge['parameters']): Promise<string> {
    const { registry, repository, credentials } = this.#options
    const url = URL.canParse(realm) ? new URL(realm) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol)) throw this.#refused('gives no address for tokens')
    if (url.protocol === 'http:' && this.#origin?.startsWith('https:'))
      throw this.#refused(`wants tokens to be fetched over HTTP, from ${url.host}`)
    const scopes = scope ?? (repository === undefined ? undefined : `repository:${repository}:pull`)
    const asked = { ...(service !== undefined && { service }), ...(scopes !== undefined && { scope: scopes }) }
    let answer: RegistryAnswer
    if (credentials !== undefined && 'identityToken' in credentials) {
      const form = {
        ...asked,
        grant_type: 'refresh_token',
        refresh_token: credentials.identityToken,
        client_id: 'runner-core',
      }
      const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' }
      answer = await this.#patiently({ method: 'POST', url, headers, body: new URLSearchParams(form).toString() })
    } else {
      for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
      const own = credentials !== undefined && 'username' in credentials ? { authorization: basic(credentials) } : {}
      answer = await this.#patiently({ method: 'GET', url, headers: { accept: 'application/json', ...own } })
    }
    if (answer.status !== 200) throw await this.#refusal(answer)
    const { json } = (await this.#document(answer, `a token of ${url.host}`)) as Fetched
    const token = json['token'] ?? json['access_token']
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
      throw new InstallError('refused', `${registry}: ${url.host} returned no token`)
    return token
  }

  async #refusal(answer: RegistryAnswer): Promise<InstallError> {
    const { status } = answer
    const text = await this.#read(answer, 'an error').then(
      (bytes) => errorText(bytes.toString()),
      () => '',
    )
    if (status === 401 || status === 403) return this.#unauthorized(text)
    return this.#refused(`answers ${status}${text === '' ? '' : `: ${text}`}`, status === 404 ? 'not_found' : 'refused')
  }

  #unauthorized(said = ''): InstallError {
    const { registry, repository, credentials } = this.#options
    const to = repository === undefined ? registry : `${registry}/${repository}`
    const what =
      credentials === undefined
        ? `${to}: needs a login, or does not exist; try: runner-core fleeting login ${registry}`
        : `${to}: refused with the credentials stored for ${registry}`
    return new InstallError('unauthorized', said === '' ? what : `${what} (${said})`)
  }

  #refused(what: string, code: 'refused' | 'unauthorized' | 'not_found' = 'refused'): InstallError {
    return new InstallError(code, `${this.#options.registry} ${what}`)
  }

  #unreachable(cause: unknown, what: string): InstallError {
    if (cause instanceof InstallError) return cause
    return new InstallError('unreachable', `${this.#options.registry}: ${what}: ${describeError(cause)}`, { cause })
  }
}

/**
 * Ends well only after the bytes that were promised. `onBroken` is told when the source fails, which the reader's own
 * errors are to be told from.
 */
async function* checkedBytes(
  source: AsyncIterable<Uint8Array>,
  digest: string,
  size: number,
  onBroken: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let length = 0
  const iterator = source[Symbol.asyncIterator]()
  for (;;) {
    const next = await iterator.next().catch((error: unknown) => {
      onBroken(error)
      throw error
    })
    if (next.done) break
    length += next.value.length
    if (length > size)
      throw new InstallError('corrupt', `blob ${digest} is longer than the ${size} bytes that were announced`)
    hash.update(next.value)
    yield next.value
  }
  if (length < size) throw new InstallError('corrupt', `blob ${digest} ended after ${length} of ${size} bytes`)
  const got = `sha256:${hash.digest('hex')}`
  if (got !== digest) throw new InstallError('corrupt', `blob ${digest} has the wrong digest: ${got}`)
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function isThisMachine(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '')
  return host === 'localhost' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** It will not be otherwise in a minute. */
function isFinal(error: unknown): boolean {
  return isUntrusted(error) || codesOf(error).includes('ENOTFOUND')
}

function isUntrusted(error: unknown): boolean {
  return codesOf(error).some((code) => /CERT|SELF_SIGNED|VERIFY/.test(code))
}

function codesOf(error: unknown): readonly string[] {
  const { code, cause } = Object(error) as { readonly code?: unknown; readonly cause?: unknown }
  return [...(typeof code === 'string' ? [code] : []), ...(cause instanceof Error ? codesOf(cause) : [])]
}

function headerOf({ headers }: RegistryAnswer, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Of the distribution's form, or nothing: other pages are long and say little. */
function errorText(text: string): string {
  try {
    const { errors } = JSON.parse(text) as {
      errors?: readonly { readonly code?: unknown; readonly message?: unknown }[]
    }
    return (errors ?? [])
      .map(({ code, message }) => [code, message].filter(Boolean).join(' '))
      .join('; ')
      .slice(0, 300)
  } catch {
    return ''
  }
}
