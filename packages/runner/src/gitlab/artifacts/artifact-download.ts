import type { IncomingHttpHeaders } from 'node:http'
import { backoffMs, type Clock, delay, type Random } from '@runner-core/fleeting'
import { ArtifactDownloadError, type ArtifactDownloadErrorCode } from '@runner-core/job'
import type { Dispatcher } from 'undici'
import { type ConnectionOptions, openRoute, type Route } from '../http/connections.ts'
import { RedirectError, type RedirectGuard } from '../http/redirect-guard.ts'
import { askedWaitMs, isWorthRetrying, maxTries, retryCurve } from '../http/retry-wait.ts'

export interface ArtifactDownloadOptions {
  /** The way to the coordinator. */
  readonly route: Route
  readonly coordinator: URL
  /** From the root of the coordinator. */
  readonly path: string
  readonly userAgent: string
  /** The earlier job's: shown to the coordinator and to nobody else. */
  readonly token: string
  readonly connections: ConnectionOptions
  readonly redirects: RedirectGuard
  /** Longest silence in an answer, milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/** As many as Go follows. */
const maxRedirects = 10
/** Of an answer that is an error. */
const longestMessageBytes = 300

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: AsyncIterable<Buffer> & { destroy(): unknown }
}

/**
 * Asks for artifacts and follows to where they are. What another server than the coordinator is sent has neither the
 * token nor the client's certificate.
 *
 * Rejects with {@link ArtifactDownloadError}, as the bytes do; with the signal's reason.
 */
export async function downloadArtifact(options: ArtifactDownloadOptions): Promise<AsyncIterable<Buffer>> {
  const { coordinator, route, path, userAgent, token, connections, redirects: guard, timeoutMs, signal } = options
  let url = new URL(path, coordinator)
  for (let redirects = 0; ; redirects++) {
    const isCoordinator = url.origin === coordinator.origin
    const { tlsCaFile, environment } = connections
    const elsewhere = isCoordinator
      ? undefined
      : openElsewhere(
          url,
          { ...(tlsCaFile !== undefined && { tlsCaFile }), environment, lookup: guard.lookupFor(url) },
          timeoutMs,
        )
    const from = elsewhere ?? route
    const close = async (): Promise<void> => await elsewhere?.dispatcher.destroy()
    let answer: Answer
    try {
      answer = await askPatiently(
        from,
        url,
        { 'user-agent': userAgent, ...(isCoordinator && { 'job-token': token }) },
        options,
      )
    } catch (error) {
      await close()
      throw signal.aborted ? signal.reason : unanswered(url, error)
    }
    if (answer.status === 200) return bytesOf(answer, url, close, signal)
    const next = [301, 302, 303, 307, 308].includes(answer.status) ? readLocation(answer, url) : undefined
    const failure = next === undefined ? await refusal(answer, url) : undefined
    answer.body.destroy()
    await close()
    if (next === undefined) throw failure
    if (redirects === maxRedirects)
      throw new ArtifactDownloadError('failed', `redirected more than ${maxRedirects} times`)
    try {
      await guard.check(url, next)
    } catch (error) {
      throw unanswered(next, error)
    }
    url = next
  }
}

function openElsewhere(url: URL, connections: ConnectionOptions, timeoutMs: number): Route {
  try {
    return openRoute(url, connections, timeoutMs)
  } catch (error) {
    throw unanswered(url, error)
  }
}

/** Again while the server says "later". */
async function askPatiently(
  { dispatcher, origin, pathPrefix, headers }: Route,
  url: URL,
  own: Record<string, string>,
  options: ArtifactDownloadOptions,
): Promise<Answer> {
  const { clock, random, signal } = options
  for (let tries = 1; ; tries++) {
    const {
      statusCode,
      headers: answered,
      body,
    } = await dispatcher.request({
      method: 'GET',
      origin,
      path: `${pathPrefix}${url.pathname}${url.search}`,
      headers: { ...headers, ...own },
      signal,
    } satisfies Dispatcher.RequestOptions)
    // Whoever reads it hears of it; one that is not read to its end need not.
    body.on('error', () => {})
    const answer: Answer = { status: statusCode, headers: answered, body }
    if (!isWorthRetrying(statusCode) || tries === maxTries) return answer
    body.destroy()
    await delay(
      clock,
      askedWaitMs({ headers: answered }, clock.wallTime()) ?? backoffMs(retryCurve, tries, random),
      signal,
    )
  }
}

async function* bytesOf(
  { body }: Answer,
  url: URL,
  close: () => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* body
  } catch (error) {
    throw signal.aborted ? signal.reason : unanswered(url, error)
  } finally {
    await close()
  }
}

/** Undefined: it says nothing that can be followed. */
function readLocation({ headers: { location } }: Answer, from: URL): URL | undefined {
  try {
    const url = new URL(location ?? '', from)
    if (location !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  } catch {}
  return undefined
}

/** A signed URL opens the artifacts to whoever reads it, so only its host is named. */
async function refusal({ status, body }: Answer, { host }: URL): Promise<ArtifactDownloadError> {
  const codes: Readonly<Record<number, ArtifactDownloadErrorCode>> = {
    401: 'unauthorized',
    403: 'forbidden',
    404: 'not_found',
  }
  const message = await readMessage(body)
  return new ArtifactDownloadError(codes[status] ?? 'failed', `${host} answered ${status}${message && ` ${message}`}`)
}

/** The coordinator's words. Anything but its JSON may hold what is nobody's business. */
async function readMessage(body: Answer['body']): Promise<string> {
  let text = ''
  try {
    for await (const piece of body) {
      text += piece.toString()
      if (text.length > longestMessageBytes * 4) break
    }
    const { message } = JSON.parse(text) as { readonly message?: unknown }
    return typeof message === 'string' ? message.slice(0, longestMessageBytes) : ''
  } catch {
    return ''
  }
}

function unanswered({ host }: URL, error: unknown): ArtifactDownloadError {
  if (error instanceof RedirectError) return new ArtifactDownloadError('failed', error.message, { cause: error })
  const { code, message } = error as NodeJS.ErrnoException
  return new ArtifactDownloadError('failed', `no complete answer from ${host}: ${message || code}`, { cause: error })
}
