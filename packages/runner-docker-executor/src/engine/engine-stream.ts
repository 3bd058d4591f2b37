import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { answerOf, refusal } from './engine-error.ts'

export interface EngineRequest {
  readonly method: 'GET' | 'POST'
  /** With its query, without the version of the API. */
  readonly path: string
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
