import { exitCode } from './exit-code.ts'
import type { Output } from './output.ts'

/**
 * The streams of this process. Neither function throws, whatever becomes of the streams: a result that could not be
 * written is exit code 1.
 */
export const processOutput: Output = { out: linesTo(process.stdout, fail), err: linesTo(process.stderr, () => {}) }

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
