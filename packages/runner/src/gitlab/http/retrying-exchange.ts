import { backoffMs, type Clock, delay, type Random } from '@runner-core/fleeting'
import type { Dispatcher } from 'undici'
import { exchange, type HttpAnswer, type HttpRequest } from './exchange.ts'
import { JobApiError } from './job-api-error.ts'
import { askedWaitMs, isWorthRetrying, maxTries, retryCurve } from './retry-wait.ts'

/** Sends a request once, as {@link exchange} does. */
export type Send = (dispatcher: Dispatcher, request: HttpRequest, signal?: AbortSignal) => Promise<HttpAnswer>

export interface RetryOptions {
  readonly clock: Clock
  readonly random: Random
  /** Default: {@link exchange}. */
  readonly send?: Send
}

/**
 * As {@link exchange}, but again while the server says "later": up to five tries, after which the last answer counts. A
 * request that may safely arrive twice (not `POST`) is sent again at once, a single time, when its connection broke: a
 * kept connection may end just as it is used.
 */
export async function retryingExchange(
  dispatcher: Dispatcher,
  request: HttpRequest,
  { clock, random, send = exchange }: RetryOptions,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  for (let tries = 1; ; tries++) {
    const answer = await exchangeOverBrokenConnection(send, dispatcher, request, signal)
    if (!isWorthRetrying(answer.status) || tries === maxTries) return answer
    await delay(clock, askedWaitMs(answer, clock.wallTime()) ?? backoffMs(retryCurve, tries, random), signal)
  }
}

async function exchangeOverBrokenConnection(
  send: Send,
  dispatcher: Dispatcher,
  request: HttpRequest,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  try {
    return await send(dispatcher, request, signal)
  } catch (error) {
    if (request.method === 'POST' || !isBroken(error)) throw error
    return await send(dispatcher, request, signal)
  }
}

function isBroken(error: unknown): boolean {
  const cause = error instanceof JobApiError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
  return cause !== undefined && ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(cause.code ?? '')
}
