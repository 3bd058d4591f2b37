import { readFrames } from '../containers/follow-output.ts'
import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { ServiceReport, StartedService } from './start-services.ts'

/** Of the logs of one service that did not come up. */
const maxShownBytes = 64 * 1024
const maxShownLines = 500
/** A line that is longer is shown in pieces. */
const maxLineBytes = 16 * 1024

type Service = Pick<StartedService, 'id' | 'title' | 'aliases'>

/** The end of what a service printed, with times. Thrown: `EngineError`; the signal's reason. */
export async function readServiceLogs(
  engine: Engine,
  { id, title }: Service,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const during = `reading the logs of service ${title}`
  const lines: string[] = []
  let left = maxShownBytes
  const path = `/containers/${id}/logs?stdout=1&stderr=1&timestamps=1&tail=${maxShownLines}`
  const splitter = new LineSplitter((line) => {
    left -= line.length
    lines.push(left < 0 ? '[the rest is left out]' : line)
  })
  const source = await engine.stream(during, signal, { method: 'GET', path })
  await readFrames(source, during, signal, ({ stream, bytes }) => {
    splitter.push(stream, bytes)
    return left > 0
  })
  splitter.flush()
  return lines
}

/**
 * Copies what a service prints to the trace while it runs, as `CI_DEBUG_SERVICES` asks for. Resolves when the service
 * or the signal ends it. That its logs cannot be read is told, and fails nothing.
 */
export async function streamServiceLogs(
  engine: Engine,
  service: Service,
  { report, signal }: { readonly report: ServiceReport; readonly signal: AbortSignal },
): Promise<void> {
  const { id, title, aliases } = service
  const during = `reading the logs of service ${title}`
  const splitter = new LineSplitter((line) => report.line(`[service:${aliases.join('-')}] ${line}`))
  try {
    const path = `/containers/${id}/logs?follow=1&stdout=1&stderr=1&timestamps=1`
    const source = await engine.stream(during, signal, { method: 'GET', path })
    await readFrames(source, during, signal, ({ stream, bytes }) => {
      splitter.push(stream, bytes)
      return true
    })
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof EngineError)) throw error
    report.warning(error.message)
  } finally {
    splitter.flush()
  }
}

/** Puts pieces of two streams together to lines. */
class LineSplitter {
  readonly #rests = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) } as Record<'stdout' | 'stderr', Buffer>
  readonly #take: (line: string) => void

  constructor(take: (line: string) => void) {
    this.#take = take
  }

  push(stream: 'stdout' | 'stderr', bytes: Buffer): void {
    let rest = Buffer.concat([this.#rests[stream], bytes])
    for (;;) {
      const end = rest.indexOf(0x0a)
      if (end < 0 && rest.length < maxLineBytes) break
      const length = end < 0 ? maxLineBytes : Math.min(end, maxLineBytes)
      this.#take(rest.toString('utf8', 0, length).replace(/\r$/, ''))
      rest = rest.subarray(length === end ? length + 1 : length)
    }
    this.#rests[stream] = rest
  }

  flush(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#rests[stream].length > 0) this.#take(this.#rests[stream].toString())
      this.#rests[stream] = Buffer.alloc(0)
    }
  }
}
