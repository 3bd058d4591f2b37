import type { Clock, Connection, ExitStatus, OutputSink } from '@runner-core/fleeting'
import { LastOutput } from './last-output.ts'
import type { OutputRelay } from './output-relay.ts'

export interface CommandRun {
  readonly command: string
  /** Sent to its standard input. */
  readonly script: Buffer
  readonly stdout: OutputSink
  readonly stderr?: OutputSink
  /** Whether the last word that can be expected was delivered to `stdout`: see `ScriptRun.isComplete`. */
  readonly isComplete: () => boolean
  /** Passes its output on, to `relayed`, beside what comes from the command itself. Default: all comes from there. */
  readonly relay?: { readonly via: OutputRelay; readonly relayed: OutputSink } | undefined
  /** The machine has accepted the command. */
  readonly onStarted?: () => void
  readonly clock: Clock
  /** Aborting gives the command up: what it started may live on. */
  readonly signal: AbortSignal
}

/**
 * Longest wait for the last word of a command that came to its own end, milliseconds: it has said it, unless it was
 * replaced by another program.
 */
const maxLastWordMs = 60_000
/** The same for one that was ended, and may have said none: what it left may print for ever. */
const maxLastOutputMs = 10_000

/**
 * Runs a command on a channel of its own. It ends when it has ended and said its last word; whatever else holds its
 * output open is not waited for. Rejects with `ConnectionError`, the signal's reason, and what a sink throws.
 */
export async function runCommand(connection: Connection, run: CommandRun): Promise<ExitStatus> {
  const { command, script, stdout, stderr, isComplete, relay, onStarted, clock, signal } = run
  const lastOutput = new LastOutput(clock)
  let onOutput = (): void => {}
  let stopListening: (() => void) | undefined
  const noticed = (sink: OutputSink): OutputSink =>
    lastOutput.watch((chunk) => {
      const pending = sink(chunk)
      if (pending !== undefined) return pending.then(() => onOutput())
      onOutput()
    })
  // This command's own: a promise that outlives commands would keep something of each that was raced with it.
  const relayOver = new Promise<never>((_, reject) => {
    stopListening = relay?.via.listen(noticed(relay.relayed), reject)
  })
  relayOver.catch(() => {})
  try {
    const execution = await connection.exec(command, {
      stdin: script,
      stdout: noticed(stdout),
      ...(stderr !== undefined && { stderr }),
      signal,
    })
    onStarted?.()
    const status = await Promise.race([execution.exited, relayOver])
    if (!isComplete()) {
      await new Promise<void>((resolve, reject) => {
        const cancel = lastOutput.whenSilent(
          resolve,
          'code' in status && status.code === 0 ? maxLastWordMs : maxLastOutputMs,
        )
        onOutput = () => isComplete() && resolve()
        // What is relayed may come after all else.
        const last: Promise<unknown> = relay === undefined ? execution.closed : relayOver
        last.then(() => resolve(), reject).finally(cancel)
      })
    }
    // Else what holds the output would hold the channel too.
    execution.close()
    return status
  } finally {
    stopListening?.()
  }
}
