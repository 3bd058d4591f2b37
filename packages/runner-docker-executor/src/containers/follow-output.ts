import type { Readable } from 'node:stream'
import type { Engine } from '../engine/engine.ts'
import { asEngineError } from '../engine/engine-error.ts'
import { FrameReader, type OutputFrame } from './frame-reader.ts'

/** Takes what a container prints, in order. False: no more is wanted. */
export type TakeFrame = (frame: OutputFrame) => boolean | Promise<boolean>

export interface FollowOutputOptions {
  readonly container: string
  /** Of the start whose output is wanted, as the Engine wrote it. Default: of all. */
  readonly startedAt?: string | undefined
  readonly take: TakeFrame
  readonly signal: AbortSignal
}

/**
 * Reads what a container printed, and prints until it ends, from the log that its Engine keeps. So a manager that
 * resumes the job can read it again. A last line without a newline may be missing if the container ended while this
 * was reading. Resolves with false once no more was wanted. Rejects with `EngineError`, with what `take` throws, and
 * with the signal's reason.
 */
export async function followOutput(engine: Engine, options: FollowOutputOptions): Promise<boolean> {
  const { container, startedAt, take, signal } = options
  const during = `reading the output of container ${container}`
  const from = startedAt === undefined ? '' : `&since=${since(startedAt)}`
  const path = `/containers/${container}/logs?follow=1&stdout=1&stderr=1${from}`
  const log = await engine.stream(during, signal, { method: 'GET', path })
  return await readFrames(log, during, signal, take)
}

/** Reads frames to their end, or until no more are wanted. Resolves and rejects as {@link followOutput}. */
export async function readFrames(
  source: Readable,
  during: string,
  signal: AbortSignal,
  take: TakeFrame,
): Promise<boolean> {
  const onAbort = (): void => void source.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const reader = new FrameReader()
  const chunks = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        throw asEngineError(error, during)
      })
      if (next.done === true) break
      for (const frame of reader.push(next.value)) if (!(await take(frame))) return false
    }
    signal.throwIfAborted()
    return true
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
    source.destroy()
  }
}

/** RFC 3339 with nanoseconds, as the Engine takes it in a query: seconds and nanoseconds since 1970. */
function since(startedAt: string): string {
  const [, fraction = ''] = /\.(\d{1,9})/.exec(startedAt) ?? []
  return `${Math.floor(Date.parse(startedAt) / 1000)}.${fraction.padEnd(9, '0')}`
}
