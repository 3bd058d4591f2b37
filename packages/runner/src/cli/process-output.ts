import { writeSync } from 'node:fs'
import { LogSink } from '../logging/log-sink.ts'
import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/**
 * The streams of this process. None of the functions throws, whatever becomes of the streams: a result that could not
 * be written is exit code 1.
 */
export const processOutput: Output = {
  out: linesTo(process.stdout, fail),
  err: linesTo(process.stderr, () => {}),
  openLog,
  // As NO_COLOR, FORCE_COLOR and TERM have it.
  hasColors: process.stderr.isTTY === true && process.stderr.hasColors(),
}

function linesTo(stream: NodeJS.WriteStream, onFailure: (code: string | undefined) => void): (line: string) => void {
  let hasFailed = false
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    // Whoever has read enough, as `head`, may go.
    if (hasFailed || code === 'EPIPE') return
    hasFailed = true
    onFailure(code)
  })
  return (line) => stream.write(`${line}\n`)
}

function fail(why: string | undefined): void {
  processOutput.err(`error: the output cannot be written: ${why}`)
  process.on('exit', (code) => {
    if (code === exitCode.ok) process.exitCode = exitCode.failed
  })
}

const stderrFd = 2

/**
 * Writes past `process.stderr`, which keeps what a reader does not take in memory, without bound. Node made a pipe
 * non-blocking when it made that stream.
 */
function openLog(): LogSink {
  const sink = new LogSink({
    write: (bytes) => writeSync(stderrFd, bytes),
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs).unref()
      return () => clearTimeout(timer)
    },
  })
  process.on('exit', () => sink.flush())
  return sink
}
