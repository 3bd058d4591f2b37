import type { FakeAnswer } from '../core/fake-server.ts'

/** A refusal, thrown by whatever does a request. */
export class ApiRefusal extends Error {
  readonly answer: FakeAnswer

  /** `reason` is the word in `errors[].reason`, for example `notFound`. */
  constructor(status: number, reason: string, message: string, options: RefusalOptions = {}) {
    super(message)
    this.answer = refusal(status, reason, message, options)
  }
}

interface RefusalOptions {
  readonly domain?: string
  readonly headers?: Readonly<Record<string, string>>
  /** As in `google.rpc.ErrorInfo`. */
  readonly errorInfoReason?: string
}

export function json(value: unknown, status = 200): FakeAnswer {
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8' }, body: JSON.stringify(value) }
}

/** The error envelope of Google's older APIs. */
export function refusal(
  status: number,
  reason: string,
  message: string,
  { domain = 'global', headers = {}, errorInfoReason }: RefusalOptions = {},
): FakeAnswer {
  const details = errorInfoReason && [
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: errorInfoReason, domain: 'googleapis.com' },
  ]
  const answer = json(
    { error: { code: status, message, errors: [{ message, domain, reason }], ...(details && { details }) } },
    status,
  )
  return { ...answer, headers: { ...answer.headers, ...headers } }
}
