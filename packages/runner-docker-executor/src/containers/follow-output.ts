import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { Engine } from '../engine/engine.ts'
import { asEngineError } from '../engine/engine-error.ts'
import { FrameReader, type OutputFrame } from './frame-reader.ts'

export interface FollowOutputOptions {
  readonly containerId: string
  /** Of the start whose output is wanted, as the Engine wrote it. Default: of all. */
  readonly startedAt?: string | undefined
  /** Bytes of it that are known already. */
  readonly skipBytes: number
  /** Takes it, in order. False: no more is wanted. */
  readonly take: (frame: OutputFrame) => boolean | Promise<boolean>
  readonly signal: AbortSignal
}

/**
 * Reads what a container prints, from its first byte on, until it has ended or no more is wanted. It reads the log that
 * the Engine keeps, not the container itself: so it can be read again by whoever goes on. Resolves with false once no
 * more was wanted. Rejects with `EngineError`, with what `take` throws, and with the signal's reason.
 */
export async function followOutput(engine: Engine, options: FollowOutputOptions): Promise<boolean> {
  const { containerId, startedAt, take, signal } = options
  const during = `reading the output of container ${containerId.slice(0, 12)}`
  const query = { follow: true as const, stdout: true, stderr: true }
  const log = (await engine.call(during, signal, (docker) =>
    docker.getContainer(containerId).logs({ ...query, ...(startedAt !== undefined && { since: since(startedAt) }) }),
  )) as Readable
  const onAbort = (): void => void log.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  const reader = new FrameReader()
  let skip = options.skipBytes
  try {
    for await (const chunk of log as AsyncIterable<Buffer>) {
      for (const { stream, bytes } of reader.push(chunk)) {
        const rest = bytes.subarray(Math.min(skip, bytes.length))
        skip -= bytes.length - rest.length
        if (rest.length > 0 && !(await take({ stream, bytes: rest }))) return false
      }
    }
    signal.throwIfAborted()
    return true
  } catch (error) {
    signal.throwIfAborted()
    throw isOfStream(log, error) ? asEngineError(error, during) : error
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (!log.destroyed) {
      log.destroy()
      if (!log.closed) await once(log, 'close').catch(() => {})
    }
  }
}

function isOfStream(log: Readable, error: unknown): boolean {
  return log.errored === error || (error as NodeJS.ErrnoException).code !== undefined
}

/** RFC 3339 with nanoseconds, as the Engine takes it in a query: seconds and nanoseconds since 1970. */
export function since(startedAt: string): string {
  const [, fraction = ''] = /\.(\d{1,9})/.exec(startedAt) ?? []
  return `${Math.floor(Date.parse(startedAt) / 1000)}.${fraction.padEnd(9, '0')}`
}
