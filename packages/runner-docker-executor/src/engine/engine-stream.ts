import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { answerOf, refusal } from './engine-error.ts'

export interface EngineRequest {
  readonly method: 'GET' | 'POST'
  /** With its query, without the version of the API. */
  readonly path: string
  /** @defaultValue the one that both speak */
  readonly version?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Of an answer that says why there is no stream. */
const maxRefusalBytes = 64 * 1024

/**
 * Resolves with a successful answer, unread. Unlike dockerode, it ends the stream by `reading`, and reads only so much
 * of an answer that is not a success. Rejects with `EngineError`, or what Node says of the connection.
 */
export async function openStream(
  during: string,
  target: RequestOptions,
  { opening, reading }: { readonly opening: AbortSignal; readonly reading: AbortSignal },
): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ ...target, signal: opening })
    outgoing.on('response', resolve)
    // Also once the answer is there: then the stream tells.
    outgoing.on('error', reject)
    outgoing.end()
  })
  const onAbort = (): void => void response.destroy(reading.reason)
  reading.addEventListener('abort', onAbort, { once: true })
  response.on('close', () => reading.removeEventListener('abort', onAbort))
  const { statusCode = 0 } = response
  if (statusCode >= 200 && statusCode < 300) return response
  throw refusal(during, statusCode, await refusalOf(response))
}

/**
 * Resolves with the connection itself, once the Engine has given it to what was asked for. The request has no body:
 * dockerode's has one, which Podman takes for the first bytes of the connection. Rejects as {@link openStream}.
 */
export async function openConnection(
  during: string,
  target: Omit<RequestOptions, 'headers'>,
  opening: AbortSignal,
): Promise<Duplex> {
  const headers = { connection: 'Upgrade', upgrade: 'tcp', 'content-length': 0 }
  const opened = await new Promise<Duplex | IncomingMessage>((resolve, reject) => {
    const outgoing = request({ ...target, headers, signal: opening })
    outgoing.on('upgrade', (_response, stream, head) => {
      if (head.length > 0) stream.unshift(head)
      resolve(stream)
    })
    outgoing.on('response', resolve)
    outgoing.on('error', reject)
    outgoing.end()
  })
  if (!('statusCode' in opened)) return opened as Duplex
  throw refusal(during, opened.statusCode ?? 0, await refusalOf(opened))
}

async function refusalOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxRefusalBytes) break
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString()
  try {
    const answer = answerOf(JSON.parse(text))
    if (answer !== undefined) return answer
  } catch {
    // Something between the Engine and us has answered.
  }
  return `an answer with status ${response.statusCode}`
}
