import type { Connection, ExecOptions, OutputSink } from '@runner-core/fleeting'

export interface CommandOptions extends Pick<ExecOptions, 'stdin'> {
  /** Ends the command early. What it started may live on, so the instance gets no more work then. */
  readonly signal?: AbortSignal
  /** Upper bound of what is kept of both outputs together, bytes. @defaultValue 16 MiB */
  readonly maxOutputBytes?: number
}

/** How a command ended: `code`, or `signal` (`"KILL"`) when a signal ended it. Outputs are decoded as UTF-8. */
export interface CommandResult {
  readonly code?: number
  readonly signal?: string
  readonly stdout: string
  readonly stderr: string
}

/** Thrown when a command prints more than `maxOutputBytes`. */
export class OutputLimitError extends Error {
  override readonly name = 'OutputLimitError'
  readonly code = 'output_limit'
  readonly maxOutputBytes: number

  constructor(maxOutputBytes: number) {
    super(`the command printed more than ${maxOutputBytes} bytes`)
    this.maxOutputBytes = maxOutputBytes
  }
}

export async function runCommand(
  connection: Connection,
  command: string,
  stops: AbortSignal,
  { stdin, signal, maxOutputBytes = 16 * 1024 * 1024 }: CommandOptions = {},
): Promise<CommandResult> {
  const limit = new AbortController()
  let bytes = 0
  const collect =
    (chunks: Buffer[]): OutputSink =>
    (chunk) => {
      bytes += chunk.length
      if (bytes > maxOutputBytes) limit.abort(new OutputLimitError(maxOutputBytes))
      else chunks.push(chunk)
    }
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
  const any = AbortSignal.any([stops, limit.signal, ...(signal === undefined ? [] : [signal])])
  const options = {
    ...(stdin !== undefined && { stdin }),
    stdout: collect(stdout),
    stderr: collect(stderr),
    signal: any,
  }
  const execution = await connection.exec(command, options)
  const status = await execution.closed
  return { ...status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}
