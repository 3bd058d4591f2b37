import { readFileSync } from 'node:fs'
import type { LookupFunction } from 'node:net'
import * as tls from 'node:tls'
import { type Dispatcher, Pool, ProxyAgent } from 'undici'
import { JobApiError } from './job-api-error.ts'
import { type Environment, proxyFor } from './proxy.ts'
import { readToClose } from './read-to-close.ts'

export interface ConnectionOptions {
  /** PEM file of certificate authorities that are trusted beside the system's own; upstream's `tls-ca-file`. */
  readonly tlsCaFile?: string
  /** PEM files of a client certificate and its key. */
  readonly tlsCertFile?: string
  readonly tlsKeyFile?: string
  /** Where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are read; see {@link proxyFor}. */
  readonly environment: Environment
  /** Resolves names of servers that are connected to without a proxy. Default: the system's. */
  readonly lookup?: LookupFunction
}

/** A way to one server. */
export interface Route {
  readonly dispatcher: Dispatcher
  readonly origin: string
  /** Stands before each path: a proxy for plain HTTP is asked for whole URLs. */
  readonly pathPrefix: string
  readonly headers: Readonly<Record<string, string>>
}

/** Connections are kept this long for the next request, milliseconds, unless the server says less. */
const keepAliveMs = 60_000
const connectTimeoutMs = 30_000

/**
 * Keep-alive connections to the server of `url`, as many as there are requests at once, through a proxy where the
 * environment says so. `answerTimeoutMs` is how long the first and each next byte of an answer may take.
 *
 * Thrown: {@link JobApiError} `invalid_config`.
 */
export function openRoute(url: URL, options: ConnectionOptions, answerTimeoutMs: number): Route {
  const secureContext = url.protocol === 'https:' ? createSecureContext(options) : undefined
  const { lookup } = options
  const connect = {
    timeout: connectTimeoutMs,
    ...(secureContext && { secureContext }),
    ...(lookup !== undefined && { lookup }),
  }
  const settings = { headersTimeout: answerTimeoutMs, bodyTimeout: answerTimeoutMs, keepAliveTimeout: keepAliveMs }
  const proxy = findProxy(url, options.environment)
  if (!proxy)
    return {
      dispatcher: new Pool(url.origin, { ...settings, connect }).compose(readToClose),
      origin: url.origin,
      pathPrefix: '',
      headers: {},
    }
  if (url.protocol === 'https:') {
    const dispatcher = new ProxyAgent({ uri: proxy.href, requestTls: connect, ...settings }).compose(readToClose)
    return { dispatcher, origin: url.origin, pathPrefix: '', headers: {} }
  }
  const dispatcher = new Pool(proxy.origin, { ...settings, connect: { timeout: connectTimeoutMs } }).compose(
    readToClose,
  )
  return {
    dispatcher,
    origin: proxy.origin,
    pathPrefix: url.origin,
    headers: { host: url.host, ...authorization(proxy) },
  }
}

function findProxy(url: URL, environment: Environment): URL | undefined {
  try {
    return proxyFor(url, environment)
  } catch {
    // Without the cause, which shows the password.
    throw new JobApiError('invalid_config', 'the proxy in the environment is not a URL')
  }
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
}

/** Made once: reading the system's authorities anew for each connection takes tens of milliseconds. */
function createSecureContext({ tlsCaFile, tlsCertFile, tlsKeyFile }: ConnectionOptions): tls.SecureContext {
  const ca = tlsCaFile === undefined ? undefined : [...tls.getCACertificates('default'), readPem(tlsCaFile)]
  try {
    return tls.createSecureContext({
      ...(ca && { ca }),
      ...(tlsCertFile !== undefined && { cert: readPem(tlsCertFile) }),
      ...(tlsKeyFile !== undefined && { key: readPem(tlsKeyFile) }),
    })
  } catch (cause) {
    if (cause instanceof JobApiError) throw cause
    throw new JobApiError('invalid_config', `the TLS files cannot be used: ${(cause as Error).message}`, { cause })
  }
}

function readPem(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new JobApiError('invalid_config', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  if (!text.includes('-----BEGIN ')) throw new JobApiError('invalid_config', `${file} contains no PEM`)
  return text
}
