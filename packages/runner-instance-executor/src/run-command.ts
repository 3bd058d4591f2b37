import type { Clock, Connection, ExitStatus, OutputSink } from '@runner-core/fleeting'

export interface CommandRun {
  readonly command: string
  /** Sent to its standard input. */
  readonly script: Buffer
  readonly stdout: OutputSink
  readonly stderr?: OutputSink
  /** Whether the last word that can be expected was delivered to `stdout`: see `ScriptRun.isComplete`. */
  readonly isComplete: () => boolean
  /** The machine has accepted the command. */
  readonly onStarted?: () => void
  readonly clock: Clock
  /** Aborting gives the command up: what it started may live on. */
  readonly signal: AbortSignal
}

/** How long output may still come from a command that ended without a last word, while something holds its output open. */
export const lastOutputMs: number = 2000

/**
 * Runs a command on a channel of its own. It ends when it has ended and said its last word; whatever else holds its output open is not waited for.
 * Rejects with `ConnectionError`, the signal's reason, and what a sink throws.
 */
export async function runCommand(connection: Connection, run: CommandRun): Promise<ExitStatus> {
  const { command, script, stdout, stderr, isComplete, onStarted, clock, signal } = run
  let onOutput = (): void => {}
  const execution = await connection.exec(command, {
    stdin: script,
    stdout: (chunk) => {
      const pending = stdout(chunk)
      if (pending !== undefined) return pending.then(() => onOutput())
      onOutput()
    },
    ...(stderr !== undefined && { stderr }),
    signal,
  })
  onStarted?.()
  const status = await execution.exited
  if (!isComplete()) {
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.after(lastOutputMs, resolve)
      onOutput = () => isComplete() && resolve()
      execution.closed.then(() => resolve(), reject).finally(cancel)
    })
  }
  // Else what holds the output would hold the channel too.
  execution.close()
  return status
}
