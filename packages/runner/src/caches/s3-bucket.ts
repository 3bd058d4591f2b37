import { type Clock, delay, type Random } from '@runner-core/fleeting'
import { CacheError } from '@runner-core/job'
import type { Dispatcher } from 'undici'
import { type ConnectionOptions, openRoute, type Route } from '../gitlab/http/connections.ts'
import { askedWaitMs } from '../gitlab/http/retry-wait.ts'
import { objectPath } from './s3-address.ts'
import type { FindCredentials } from './s3-credentials.ts'

export interface S3BucketOptions {
  readonly url: URL
  readonly region: string
  readonly credentials: FindCredentials
  readonly environment: ConnectionOptions['environment']
  readonly clock: Clock
  readonly random: Random
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Name of the object. */
  readonly name: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /**
   * What is to be kept beside the object: values of headers without `x-amz-meta-` before their names. They are part of
   * what is signed.
   */
  readonly metadata?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

export interface S3Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  /** To be read to its end, or dumped. */
  readonly body: Dispatcher.ResponseData['body']
}

/** Tries of one request, as GitLab's runner has them. */
const maxTries = 3
const betweenTriesMs = 1000
/** How long a server may be silent. */
const silenceMs = 60_000
/** How long a URL is valid: one for each try, used at once. */
const validSeconds = 3600
/** What is read of an answer that says what went wrong. */
const longestErrorBytes = 64 * 1024

/** Requests to one bucket, each with a URL signed for it alone. */
export class S3Bucket {
  readonly #options: S3BucketOptions
  #route: Route | undefined

  constructor(options: S3BucketOptions) {
    this.#options = options
  }

  /**
   * Sends a request, again while the server cannot do it now; statuses of `accepted` are answers, every other is an
   * error. Rejects with a {@link CacheError}, and with the signal's reason.
   */
  async send(request: S3Request, accepted: readonly number[], signal: AbortSignal): Promise<S3Answer> {
    const { clock, random } = this.#options
    for (let tries = 1; ; tries++) {
      const outcome = await this.#try(request, accepted, signal)
      if (!('error' in outcome)) return outcome
      if (outcome.error.code === 'refused' || tries === maxTries) throw outcome.error
      await delay(clock, outcome.waitMs ?? betweenTriesMs * (1 + random()), signal)
    }
  }

  async close(): Promise<void> {
    await this.#route?.dispatcher.destroy()
  }

  async #try(
    request: S3Request,
    accepted: readonly number[],
    signal: AbortSignal,
  ): Promise<S3Answer | { readonly error: CacheError; readonly waitMs?: number | undefined }> {
    let answer: S3Answer
    try {
      answer = await this.#sendOnce(request, signal)
    } catch (cause) {
      signal.throwIfAborted()
      return {
        error:
          cause instanceof CacheError ? cause : new CacheError('unreachable', `no answer: ${said(cause)}`, { cause }),
      }
    }
    const { status, headers } = answer
    if (accepted.includes(status)) return answer
    const waitMs = askedWaitMs({ headers }, this.#options.clock.wallTime())
    return { error: (await readRefusal(answer)).error, waitMs }
  }

  async #sendOnce(
    { method, name, query = {}, headers = {}, metadata = {}, body = '' }: S3Request,
    signal: AbortSignal,
  ): Promise<S3Answer> {
    const { url, environment } = this.#options
    this.#route ??= openRoute(url, { environment }, silenceMs)
    const { dispatcher, origin, pathPrefix, headers: routeHeaders } = this.#route
    const target = new URL(objectPath(url, name), url)
    for (const [key, value] of Object.entries(query)) target.searchParams.set(key, value)
    const signedHeaders = Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [`x-amz-meta-${key}`, value]),
    )
    const { pathname, search } = await this.#sign(target, method, signedHeaders)
    const { statusCode, ...answer } = await dispatcher.request({
      origin,
      path: `${pathPrefix}${pathname}${search}`,
      method,
      headers: { ...routeHeaders, ...headers, ...signedHeaders },
      body: method === 'PUT' || method === 'POST' ? body : null,
      signal,
    })
    return { status: statusCode, headers: answer.headers, body: answer.body }
  }

  async #sign(url: URL, method: string, headers: Readonly<Record<string, string>>): Promise<URL> {
    const { credentials, region, clock } = this.#options
    const [{ AwsV4Signer }, keys] = await Promise.all([import('aws4fetch'), credentials().catch(noCredentials)])
    url.searchParams.set('X-Amz-Expires', String(validSeconds))
    const signer = new AwsV4Signer({
      url: url.href,
      method,
      headers,
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKey,
      ...(keys.sessionToken !== undefined && { sessionToken: keys.sessionToken }),
      service: 's3',
      region,
      datetime: new Date(clock.wallTime()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
      signQuery: true,
    })
    return (await signer.sign()).url
  }
}

/** An answer that is none: its `Code`, where there is one, and what to say about it. Never rejects. */
export async function readRefusal({
  status,
  body,
}: S3Answer): Promise<{ readonly code: string | undefined; readonly error: CacheError }> {
  let text = ''
  try {
    for await (const chunk of body) {
      text += (chunk as Buffer).toString()
      if (text.length > longestErrorBytes) break
    }
  } catch {
    // What came will do.
  }
  const [code, message] = ['Code', 'Message'].map((element) =>
    elementOf(text, element)?.replace(/[\x00-\x1f\x7f]/g, ' '),
  )
  const details = [code && `code: ${code}`, message && `message: ${message}`].filter(Boolean).join(', ')
  const isForNow = status >= 500 || status === 429 || status === 408
  const said = `received: ${status}${details && `. Request failed with ${details}`}`
  return { code, error: new CacheError(isForNow ? 'failed' : 'refused', said) }
}

/** The content of the first such element, with its entities as they are. */
export function elementOf(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]{0,1000})`).exec(xml)?.[1]
}

function noCredentials(cause: unknown): never {
  // The cause may tell too much about where it looked for the trace of a job.
  throw new CacheError('refused', 'the runner has no credentials for the store', { cause })
}

function said(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException
  return code ?? message
}
