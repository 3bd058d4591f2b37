import { AsyncLocalStorage } from 'node:async_hooks'
import type {
  HttpHeaders,
  PipelinePolicy,
  PipelineRequest,
  PipelineResponse,
  SendRequest,
} from '@azure/core-rest-pipeline'
import { isGroupError, readRetryAfter, untilAbort } from '@runner-core/fleeting'
import { asAzureError, asThrown, failureIn, unreadable } from './errors.ts'
import type { Bucket } from './rate-limits.ts'

/** What one call to Azure is for: one request, or those for all pages of a list. */
export interface Call {
  /** For messages, such as `reading machine 1`. */
  readonly doing: string
  readonly bucket: Bucket
  readonly signal: AbortSignal
}

interface RunningCall extends Call {
  /** Of the last request, where Azure did not refuse it. */
  answer: PipelineResponse | undefined
}

/**
 * Makes calls through the SDK's clients. What the SDK does not carry to each request of a call, {@link Calls.policy}
 * does: the pages of a list after the first are otherwise requested without the call's signal. None is retried here, so
 * that what goes wrong is seen by whoever counts calls.
 */
export class Calls {
  readonly #endpoint: string
  readonly #running = new AsyncLocalStorage<RunningCall>()
  #headroom: Partial<Record<Bucket, number>> = {}
  /** For the pipeline of a client whose requests are made in {@link Calls.run} only. */
  readonly policy: PipelinePolicy = { name: 'call', sendRequest: (request, next) => this.#send(request, next) }

  constructor(endpoint: string) {
    this.#endpoint = endpoint
  }

  /** What Azure's answers said is left of its rate limits, since this was last called. */
  takeHeadroom(): Readonly<Record<string, number>> {
    const headroom = this.#headroom
    this.#headroom = {}
    return headroom
  }

  /** Reads by `act`. Thrown: a `GroupError`, or the signal's reason once it aborts. */
  async read<T>(call: Call, act: () => Promise<T>): Promise<T> {
    return this.#run(call, (running) =>
      act().catch((error: unknown) => {
        throw running.answer !== undefined && !isGroupError(error) ? unreadable(call.doing, error) : error
      }),
    )
  }

  /**
   * Requests a change by `act`. Returns the headers of the answer that accepted it, whatever the SDK makes of its body.
   * Thrown: as by {@link Calls.read}.
   */
  async change(call: Call, act: () => Promise<unknown>): Promise<HttpHeaders> {
    return this.#run(call, async (running) => {
      const [outcome] = await Promise.allSettled([act()])
      if (running.answer !== undefined) return running.answer.headers
      throw outcome.status === 'rejected' ? outcome.reason : new Error('no request was made')
    })
  }

  async #run<T>(call: Call, act: (running: RunningCall) => Promise<T>): Promise<T> {
    const { doing, signal } = call
    const running = { ...call, answer: undefined }
    try {
      signal.throwIfAborted()
      return await untilAbort(
        this.#running.run(running, () => act(running)),
        signal,
      )
    } catch (error) {
      throw asThrown(doing, error, signal)
    }
  }

  async #send(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
    const call = this.#running.getStore()
    if (call === undefined) throw new Error('a request was made outside of a call')
    const { doing, bucket, signal } = call
    const { method, url } = request
    call.answer = undefined
    // The token goes along: never to a host that an answer made up.
    const { origin } = new URL(url)
    if (origin !== new URL(this.#endpoint).origin) throw new Error(`was sent to ${origin}, which is not the endpoint`)
    request.abortSignal = signal
    const response = await next(request)
    const { status, bodyAsText, headers } = response
    const left = headroomIn(headers.get('x-ms-ratelimit-remaining-resource'))
    if (left !== undefined) this.#headroom[bucket] = left
    if (status === 200 || (method !== 'GET' && taken.includes(status))) {
      call.answer = response
      return response
    }
    const { code, message } = errorIn(bodyAsText)
    const retryAfterMs = retryAfterOf(headers)
    throw asAzureError(
      doing,
      { status, code, message: message ?? `HTTP status ${status}` },
      { bucket, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    )
  }
}

/** Answers to a change that Azure has taken on, beside 200. */
const taken: readonly number[] = [201, 202]

/** What `Retry-After` says, milliseconds from now. */
export function retryAfterOf(headers: HttpHeaders): number | undefined {
  return readRetryAfter(headers.get('retry-after'), Date.now())
}

/**
 * `Microsoft.Compute/HighCostGet3Min;159,Microsoft.Compute/HighCostGet30Min;1259`: how many calls like this one are
 * left in each window; the minimum of them.
 */
function headroomIn(header: string | undefined): number | undefined {
  const counts = (header ?? '').split(',').flatMap((window) => /;\s*(\d+)\s*$/.exec(window)?.[1] ?? [])
  return counts.length === 0 ? undefined : Math.min(...counts.map(Number))
}

/** From Resource Manager's envelope, which some of its providers leave out. A proxy may answer something else. */
function errorIn(bodyAsText: string | null | undefined): ReturnType<typeof failureIn> {
  try {
    const body = JSON.parse(bodyAsText ?? '') as { readonly error?: object }
    return failureIn(body.error ?? body)
  } catch {
    return failureIn(undefined)
  }
}
