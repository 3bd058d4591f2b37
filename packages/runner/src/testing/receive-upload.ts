import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Artifacts as they came. */
export interface ReceivedUpload {
  readonly filename: string
  /** `artifact_type`, `artifact_format` and `expire_in` of the request; empty: not said. */
  readonly type: string
  readonly format: string
  readonly expireIn: string
  readonly size: number
  readonly sha256: string
  /** Absent where they are more than are kept. */
  readonly bytes?: Buffer
}

export interface UploadLimits {
  /** More is not kept, bytes. */
  readonly keptBytes: number
  /** More is not taken, bytes. */
  readonly limitBytes: number
  /** Breaks the connection after so many bytes of the request's body. */
  readonly cutAfterBytes?: number | undefined
  /** Told how many bytes have come. */
  readonly onBytes?: (received: number) => void
}

/**
 * Reads a form with one file, of any length, in little memory. `broken`: the client or a fault ended it; `malformed`:
 * it is no such form.
 */
export async function receiveUpload(
  message: IncomingMessage,
  { keptBytes, limitBytes, cutAfterBytes = Number.POSITIVE_INFINITY, onBytes }: UploadLimits,
): Promise<ReceivedUpload | 'too_large' | 'malformed' | 'broken'> {
  const boundary = /^multipart\/form-data; boundary=([^;"\s]{1,70})$/.exec(message.headers['content-type'] ?? '')?.[1]
  const digest = createHash('sha256')
  const kept: Buffer[] = []
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  let head: string | undefined
  let rest: Buffer = Buffer.alloc(0)
  let [received, size] = [0, 0]
  const take = (bytes: Buffer): void => {
    digest.update(bytes)
    size += bytes.length
    if (size <= keptBytes) kept.push(bytes)
  }
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      received += chunk.length
      onBytes?.(received)
      if (received >= cutAfterBytes) {
        message.destroy()
        return 'broken'
      }
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (head === undefined) {
        const at = rest.indexOf('\r\n\r\n')
        if (at < 0) continue
        head = rest.toString('utf8', 0, at)
        rest = rest.subarray(at + 4)
      }
      if (rest.length <= end.length) continue
      take(rest.subarray(0, rest.length - end.length))
      rest = rest.subarray(rest.length - end.length)
      if (size > limitBytes) return 'too_large'
    }
  } catch {
    return 'broken'
  }
  if (!message.complete) return 'broken'
  const part = new RegExp(
    `^--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="((?:[^"\\\\\r\n]|\\\\.)*)"(?:\r\n|$)`,
  )
  const quoted = part.exec(head ?? '')?.[1]
  if (boundary === undefined || quoted === undefined || !rest.equals(end)) return 'malformed'
  const query = new URL(message.url ?? '', 'http://coordinator').searchParams
  return {
    filename: quoted.replaceAll(/\\(.)/g, '$1'),
    type: query.get('artifact_type') ?? '',
    format: query.get('artifact_format') ?? '',
    expireIn: query.get('expire_in') ?? '',
    size,
    sha256: digest.digest('hex'),
    ...(size <= keptBytes && { bytes: Buffer.concat(kept) }),
  }
}
