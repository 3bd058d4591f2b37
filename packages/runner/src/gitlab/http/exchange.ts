import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { JobApiError, type JobApiErrorCode } from './job-api-error.ts'

export interface HttpRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH'
  /** From the root of the server. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | string
}

/** A request whose body is read once, as the server takes it. */
export interface StreamedRequest extends Omit<HttpRequest, 'body'> {
  readonly origin: string
  readonly body: Readable
  /** How long the answer's first byte may take once the body was sent, milliseconds. */
  readonly headersTimeout: number
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** An answer longer than this is cut off: nothing that a coordinator says is as long. */
const longestAnswerBytes = 128 * 1024 * 1024

/**
 * Sends one request and collects the answer, whatever its status. Goes below undici's `request`, whose body stream
 * would cost half as much again for answers of a few bytes.
 *
 * Rejects with a {@link JobApiError}: `unreachable`, `timeout`, `untrusted` or `bad_answer`; with the signal's reason
 * when that aborts first.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: HttpRequest | StreamedRequest,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    let controller: Dispatcher.DispatchController | undefined
    let status = 0
    let headers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    let length = 0
    const onAbort = (): void => {
      controller?.abort(signal?.reason)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    dispatcher.dispatch(
      { ...request },
      {
        onRequestStart(started) {
          controller = started
          if (signal?.aborted) started.abort(signal.reason)
        },
        onResponseStart(_, answerStatus, answerHeaders) {
          status = answerStatus
          headers = answerHeaders
        },
        onResponseData(started, chunk) {
          length += chunk.length
          if (length > longestAnswerBytes)
            started.abort(new JobApiError('bad_answer', `an answer of more than ${longestAnswerBytes} bytes`))
          else chunks.push(chunk)
        },
        onResponseEnd() {
          signal?.removeEventListener('abort', onAbort)
          resolve({ status, headers, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) })
        },
        onResponseError(_, error) {
          signal?.removeEventListener('abort', onAbort)
          reject(signal?.aborted ? signal.reason : asJobApiError(error))
        },
      },
    )
  })
}

function asJobApiError(error: Error): JobApiError {
  if (error instanceof JobApiError) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return new JobApiError(classify(code), `${wordings[classify(code)] ?? 'no answer'}: ${error.message || code}`, {
    cause: error,
  })
}

function classify(code: string): JobApiErrorCode {
  if (/TIMEOUT|TIMEDOUT/.test(code)) return 'timeout'
  if (/CERT|SSL|TLS|SELF_SIGNED|VERIFY/.test(code)) return 'untrusted'
  return 'unreachable'
}

const wordings: Partial<Record<JobApiErrorCode, string>> = {
  timeout: 'the coordinator did not answer in time',
  untrusted: 'no trusted connection to the coordinator',
  unreachable: 'the coordinator cannot be reached',
}
