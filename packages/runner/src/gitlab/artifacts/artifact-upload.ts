import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import { type BackoffCurve, backoffMs, type Clock, delay, type Random } from '@runner-core/fleeting'
import { type ArtifactUpload, ArtifactUploadError } from '@runner-core/job'
import { type ConnectionOptions, openRoute, type Route } from '../http/connections.ts'
import { exchange, type HttpAnswer } from '../http/exchange.ts'
import { JobApiError } from '../http/job-api-error.ts'
import { RedirectError, type RedirectGuard } from '../http/redirect-guard.ts'
import { askedWaitMs, isWorthRetrying } from '../http/retry-wait.ts'
import { readJobReply } from '../job-reply.ts'

export interface ArtifactUploadOptions {
  /** The way to the coordinator. */
  readonly route: Route
  readonly coordinator: URL
  /** From the root of the coordinator, with its query. */
  readonly path: string
  readonly userAgent: string
  /** The job's: shown to the coordinator and to nobody else. */
  readonly token: string
  readonly connections: ConnectionOptions
  readonly redirects: RedirectGuard
  readonly clock: Clock
  readonly random: Random
}

/** Tries in all, and where the server says that it is not available now. */
const maxTries = 3
const maxUnavailableTries = 6
const maxRedirects = 5
const tryCurve: BackoffCurve = { baseMs: 1_000, maxMs: 5_000 }
/** A server may take its time to put an archive away before it answers. */
const answerTimeoutMs = 600_000

/** The query of an upload. */
export function uploadQuery({ format, type, expireIn }: Pick<ArtifactUpload, 'format' | 'type' | 'expireIn'>): string {
  const query = new URLSearchParams()
  if (format !== '') query.set('artifact_format', format)
  if (type !== '') query.set('artifact_type', type)
  if (expireIn !== '') query.set('expire_in', expireIn)
  return query.size === 0 ? '' : `?${query.toString()}`
}

/**
 * Sends artifacts, and follows to where the server wants them. Each try makes their bytes anew. Another server than the
 * coordinator sees neither the token nor the client's certificate.
 *
 * Rejects with {@link ArtifactUploadError}, the signal's reason, and what the content throws.
 */
export async function uploadArtifact(upload: ArtifactUpload, options: ArtifactUploadOptions): Promise<string> {
  const { coordinator, clock, random } = options
  let url = new URL(options.path, coordinator)
  let redirects = 0
  for (let tries = 1; ; tries++) {
    const outcome = await tryUpload(upload, url, options)
    if ('answer' in outcome) {
      const { status, headers } = outcome.answer
      if (status === 201) return words(status)
      if (status === 307 || status === 308) {
        const location = readLocation(headers.location, url)
        if (location === undefined || redirects++ === maxRedirects)
          throw new ArtifactUploadError(
            'failed',
            `${url.host} answered ${words(status)} without a usable address, or too often`,
          )
        await options.redirects.check(url, location).catch((error: unknown) => {
          throw notFollowed(error)
        })
        await upload.report(`${words(status)}: they go to ${location.host}`)
        url = location
        tries--
        continue
      }
      if (status === 401 || status === 403) throw refusal('forbidden', 'forbidden', url, outcome.answer, clock)
      if (status === 413) throw refusal('too_large', 'too large archive', url, outcome.answer, clock)
    }
    const { retries, failure, askedMs } = judge(outcome, url, clock)
    if (tries >= retries) throw failure
    const waitMs = askedMs ?? backoffMs(tryCurve, tries, random)
    await upload.report(`${failure.message}; retrying in ${Math.ceil(waitMs / 1000)} s`)
    await delay(clock, waitMs, upload.signal)
  }
}

type Outcome = { readonly answer: HttpAnswer } | { readonly error: JobApiError }

async function tryUpload(upload: ArtifactUpload, url: URL, options: ArtifactUploadOptions): Promise<Outcome> {
  const { coordinator, route, userAgent, token, connections, redirects } = options
  const { signal } = upload
  signal.throwIfAborted()
  const isTrusted = mayTokenGoTo(url, coordinator)
  const { tlsCaFile, environment } = connections
  const own = url.origin === coordinator.origin
  const elsewhere = own
    ? undefined
    : openElsewhere(url, {
        ...(tlsCaFile !== undefined && { tlsCaFile }),
        environment,
        lookup: redirects.lookupFor(url),
      })
  const { dispatcher, origin, pathPrefix, headers } = elsewhere ?? route
  const over = new AbortController()
  let contentError: { readonly error: unknown } | undefined
  async function* content(): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* upload.content(AbortSignal.any([signal, over.signal]))
    } catch (error) {
      if (!over.signal.aborted) contentError = { error }
      throw error
    }
  }
  const boundary = `runner-core-${randomBytes(16).toString('hex')}`
  const body = Readable.from(multipart(boundary, upload.filename, content()), {
    objectMode: false,
    highWaterMark: 512 * 1024,
  })
  try {
    const answer = await exchange(
      dispatcher,
      {
        origin,
        method: 'POST',
        path: `${pathPrefix}${url.pathname}${url.search}`,
        headers: {
          'user-agent': userAgent,
          ...headers,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          ...(isTrusted && { 'job-token': token }),
        },
        body,
        headersTimeout: answerTimeoutMs,
      },
      signal,
    )
    return { answer }
  } catch (error) {
    signal.throwIfAborted()
    if (contentError !== undefined) throw contentError.error
    if (error instanceof JobApiError && error.cause instanceof RedirectError) throw notFollowed(error.cause)
    if (error instanceof JobApiError) return { error }
    throw error
  } finally {
    over.abort(new DOMException('no longer wanted', 'AbortError'))
    body.on('error', () => {}).destroy()
    await elsewhere?.dispatcher.destroy()
  }
}

function notFollowed(error: unknown): unknown {
  return error instanceof RedirectError ? new ArtifactUploadError('failed', error.message, { cause: error }) : error
}

async function* multipart(
  boundary: string,
  filename: string,
  content: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const quoted = filename.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  yield Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  )
  yield* content
  yield Buffer.from(`\r\n--${boundary}--\r\n`)
}

function openElsewhere(url: URL, connections: ConnectionOptions): Route {
  try {
    return openRoute(url, connections, answerTimeoutMs)
  } catch (error) {
    throw new ArtifactUploadError('failed', `${url.host} cannot be reached: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** To the coordinator itself, and to the same host where it only asks for a safer way. */
function mayTokenGoTo(url: URL, coordinator: URL): boolean {
  const isSafer = url.hostname === coordinator.hostname && url.protocol === 'https:' && coordinator.protocol === 'http:'
  return url.origin === coordinator.origin || (isSafer && url.port === '' && coordinator.port === '')
}

interface Judgement {
  /** Tries in all that such an outcome is worth. */
  readonly retries: number
  readonly failure: ArtifactUploadError
  readonly askedMs?: number | undefined
}

function judge(outcome: Outcome, url: URL, clock: Clock): Judgement {
  if ('error' in outcome) {
    const { error } = outcome
    const isHopeless = error.code === 'untrusted'
    return {
      retries: isHopeless ? 1 : maxTries,
      failure: new ArtifactUploadError('failed', `failed: ${error.message}`, { cause: error }),
    }
  }
  const { answer } = outcome
  const isUnavailable = answer.status === 503 || answer.status === 429
  const retries = isUnavailable ? maxUnavailableTries : isWorthRetrying(answer.status) ? maxTries : 1
  const wording = answer.status === 503 ? 'service unavailable' : 'failed'
  return {
    retries,
    failure: refusal('failed', wording, url, answer, clock),
    askedMs: askedWaitMs(answer, clock.wallTime()),
  }
}

function refusal(
  code: ArtifactUploadError['code'],
  wording: string,
  url: URL,
  answer: HttpAnswer,
  clock: Clock,
): ArtifactUploadError {
  const { message } = readJobReply(answer, clock.wallTime())
  return new ArtifactUploadError(
    code,
    `${wording}: ${url.host} answered ${words(answer.status)}${message && ` (${message.slice(0, 300)})`}`,
  )
}

function readLocation(location: string | undefined, from: URL): URL | undefined {
  try {
    const url = new URL(location ?? '', from)
    if (location !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  } catch {}
  return undefined
}

function words(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`.trim()
}
