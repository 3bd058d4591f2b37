import type { RegistryAnswer, RegistryExchange } from '@runner-core/fleeting-goplugin/install'
import type { Dispatcher } from 'undici'
import { type ConnectionOptions, openRoute, type Route } from '../gitlab/http/connections.ts'
import { version } from '../version.ts'

/** Longest silence of a registry, milliseconds. */
const silenceMs = 60_000
const userAgent = `runner-core/${version}`

/**
 * Ways to registries and to where they redirect, kept open until they are closed: through proxies and with the
 * authorities that the runner has for GitLab, too.
 */
export class RegistryRoutes {
  readonly #connections: ConnectionOptions
  readonly #routes = new Map<string, Route>()

  constructor(connections: ConnectionOptions) {
    this.#connections = connections
  }

  readonly exchange: RegistryExchange = async ({ method, url, headers, body, signal }): Promise<RegistryAnswer> => {
    const { dispatcher, origin, pathPrefix, headers: own } = this.#routeTo(url)
    const answer = await dispatcher.request({
      method,
      origin,
      path: `${pathPrefix}${url.pathname}${url.search}`,
      headers: { 'user-agent': userAgent, ...own, ...headers },
      signal,
      ...(body !== undefined && { body }),
    } satisfies Dispatcher.RequestOptions)
    // Whoever reads it hears of it; one that is not read to its end need not.
    answer.body.on('error', () => {})
    return { status: answer.statusCode, headers: answer.headers, body: answer.body }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#routes.values()].map(({ dispatcher }) => dispatcher.destroy()))
  }

  #routeTo(url: URL): Route {
    const known = this.#routes.get(url.origin)
    if (known !== undefined) return known
    const route = openRoute(url, this.#connections, silenceMs)
    this.#routes.set(url.origin, route)
    return route
  }
}
