// Sends the SDK's requests, since the SDK's own way of sending them does not do what this plugin needs:
// - Of a refusal it keeps the message, and drops `errors[].reason` and `Retry-After`, by which refusals are told apart.
// - It gives each request an agent, which goes past the proxy that the environment names.
// - It has no parameter `fields`, and cannot reach an API below a path (`endpoint`).
// - It writes all maps of a request, those too that nobody gave it.
// - It sends a request again whose token was refused, and an abort does not end a log-in.
import { GroupError, isGroupError } from '@runner-core/fleeting'
import { AuthClient, type gaxios } from 'google-auth-library'
import { abortable } from './abortable.ts'
import { fieldMaskHeader } from './call-settings.ts'
import type { GceConfig } from './config.ts'
import { logIn } from './credentials.ts'
import { RefusedRequest } from './errors.ts'

/** What the SDK takes for its log-in. Each request is sent once, to the endpoint of the configuration. */
export class Transport extends AuthClient {
  readonly #config: GceConfig
  #login: Promise<AuthClient> | undefined

  constructor(config: GceConfig) {
    super()
    this.#config = config
  }

  /**
   * The answer of a success, unread. Thrown: `RefusedRequest`; a `GroupError` when there is no token; what `gaxios`
   * throws.
   */
  override async request<T>(options: gaxios.GaxiosOptions): gaxios.GaxiosPromise<T> {
    const signal = options.signal ?? new AbortController().signal
    const { auth, url, headers } = await abortable(this.#authorized(new URL(String(options.url))), signal)
    const wanted = new Headers(options.headers)
    for (const [name, value] of headers) wanted.set(name, value)
    const fields = wanted.get(fieldMaskHeader)
    wanted.delete(fieldMaskHeader)
    if (fields !== null) url.searchParams.set('fields', fields)
    const { method, body } = options
    const answer = await auth.transporter.request<T>({
      ...(method !== undefined && { method }),
      ...(typeof body === 'string' && { body: withoutEmptyMaps(body) }),
      url,
      headers: wanted,
      signal,
      retry: false,
      validateStatus: () => true,
      responseType: 'stream',
    })
    if (answer.ok) return answer
    // A token that is refused is not used again.
    if (answer.status === 401) this.#login = undefined
    throw new RefusedRequest({ status: answer.status, headers: answer.headers, data: parsed(await answer.text()) })
  }

  override async getRequestHeaders(url?: string | URL): Promise<Headers> {
    return (await this.#authorized(new URL(String(url)))).headers
  }

  override async getAccessToken(): ReturnType<AuthClient['getAccessToken']> {
    return (await this.#logIn()).getAccessToken()
  }

  /** Where a request of the SDK goes, and with what. */
  async #authorized(wanted: URL): Promise<{ readonly auth: AuthClient; readonly url: URL; readonly headers: Headers }> {
    const auth = await this.#logIn()
    const root = this.#config.endpoint ?? `https://compute.${auth.universeDomain}/`
    const url = new URL(`${wanted.pathname.slice(1)}${wanted.search}`, root)
    return { auth, url, headers: await this.#unlessLoginFails(auth.getRequestHeaders(url.href)) }
  }

  #logIn(): Promise<AuthClient> {
    this.#login ??= logIn(this.#config)
    return this.#unlessLoginFails(this.#login)
  }

  async #unlessLoginFails<Result>(work: Promise<Result>): Promise<Result> {
    const login = this.#login
    try {
      return await work
    } catch (cause) {
      if (this.#login === login) this.#login = undefined
      if (isGroupError(cause)) throw cause
      const { message, code, status } = cause as Error & { readonly code?: unknown; readonly status?: number }
      const isNetwork = typeof code === 'string' && /^E[A-Z]+$/.test(code)
      const groupCode = isNetwork || (status !== undefined && status >= 500) ? 'transient' : 'auth'
      throw new GroupError(groupCode, `logging in to Google Cloud: ${message}`, { cause })
    }
  }
}

function withoutEmptyMaps(body: string): string {
  const isEmptyMap = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  const reviver = function (this: unknown, key: string, value: unknown): unknown {
    // An item of a list stays, or null would stand in its place.
    return key !== '' && !Array.isArray(this) && isEmptyMap(value) ? undefined : value
  }
  return JSON.stringify(JSON.parse(body, reviver))
}

/** Undefined for a body that is not JSON: an answer of something between us and Google. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
