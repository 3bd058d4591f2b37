/** One request to a registry, or to whom it sends us: nothing is followed, nothing retried. */
export interface RegistryRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

export interface RegistryAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Read once, or destroyed. Breaks with an error when the connection does. */
  readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown }
}

/** The way to the network: proxies and trusted authorities are its business. Rejects when there is no answer. */
export type RegistryExchange = (request: RegistryRequest) => Promise<RegistryAnswer>
