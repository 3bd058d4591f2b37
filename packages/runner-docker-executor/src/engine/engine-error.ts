/**
 * - `unreachable`: no Engine answers there, or the way to it broke.
 * - `timed_out`: it did not answer in time.
 * - `too_old`: it speaks no version of the API that we do.
 * - `not_found`: no such image, container, network or volume.
 * - `conflict`: it is in another state than the call needs, as a container that is being removed.
 * - `no_space`: its disk takes nothing more.
 * - `no_addresses`: it has no addresses left for a network.
 * - `refused`: it does not do what it was asked, and would not the next time.
 * - `failed`: it failed in doing so.
 */
export type EngineErrorCode =
  | 'unreachable'
  | 'timed_out'
  | 'too_old'
  | 'not_found'
  | 'conflict'
  | 'no_space'
  | 'no_addresses'
  | 'refused'
  | 'failed'

/** Thrown by every call to an Engine. The message says what was tried, and what the Engine answered. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: EngineErrorCode
  /** Of the Engine's answer; undefined: there was none. */
  readonly status: number | undefined
  /** The Engine's own words, without those on what was tried. */
  readonly answer: string | undefined

  constructor(code: EngineErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.answer = options.answer
  }
}

interface EngineErrorOptions {
  readonly cause?: unknown
  readonly status?: number | undefined
  readonly answer?: string
}

/** What dockerode throws: an answer that is none of those it expects, or a failure to get one. */
interface DockerodeError extends Error {
  readonly statusCode?: number
  readonly json?: unknown
}

/** What went wrong with a call, in this package's words. `during` says what was tried, for people. */
export function asEngineError(error: unknown, during: string): EngineError {
  if (error instanceof EngineError) return error
  const { statusCode: status, json, message } = error as DockerodeError
  if (status === undefined) return new EngineError('unreachable', `${during}: ${message}`, { cause: error })
  return refusal(during, status, answerOf(json) ?? message.slice(0, longestAnswer).trim(), error)
}

/** Whether what a call was about is no more, has ended, or is being removed. */
export function isGone(error: unknown): error is EngineError {
  return error instanceof EngineError && (error.code === 'not_found' || error.code === 'conflict')
}

/** The error for an answer that is not a success. */
export function refusal(during: string, status: number, answer: string, cause?: unknown): EngineError {
  return new EngineError(codeOf(status, answer), `${during}: ${answer}`, { cause, status, answer })
}

/** Longer answers are cut: an Engine may say anything. */
const longestAnswer = 2000

export function answerOf(json: unknown): string | undefined {
  const { message } = (json ?? {}) as { readonly message?: unknown }
  return typeof message === 'string' && message !== '' ? message.slice(0, longestAnswer).trim() : undefined
}

/** How an Engine words that its disk is full. */
export const noSpace: RegExp = /no space left|disk quota exceeded/i
const noAddresses = /address pools?\b|no available network|no available .*address/i
/** How an Engine words, with status 403, that containers are in a network. */
const inUse = /has active endpoints/i

function codeOf(status: number, answer: string): EngineErrorCode {
  if (noSpace.test(answer)) return 'no_space'
  if (noAddresses.test(answer)) return 'no_addresses'
  if (status === 404) return 'not_found'
  if (status === 409 || inUse.test(answer)) return 'conflict'
  return status < 500 ? 'refused' : 'failed'
}
