import type { Clock, Connection } from '@runner-core/fleeting'
import { type JobMarker, killScript } from '@runner-core/job'
import { Answer } from '../commands/answer.ts'
import { runCommand } from '../commands/run-command.ts'

export interface EndProcessesOptions {
  readonly jobMarker: JobMarker
  /** How long they have from `TERM` to `KILL`, milliseconds. */
  readonly graceMs: number
  /** See `KillScriptOptions.slots`. */
  readonly slots: { readonly buildsDir: string; readonly owner: string } | undefined
  readonly onStarted?: () => void
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Ends all processes of a job. Resolves with what the kill script said: `clean` when none is left. Rejects as
 * `runCommand` does.
 */
export async function endProcesses(connection: Connection, options: EndProcessesOptions): Promise<string> {
  const { onStarted, clock, signal } = options
  const answer = new Answer()
  await runCommand(connection, {
    command: 'exec sh',
    script: Buffer.from(killScript(options)),
    stdout: answer.take,
    isComplete: () => answer.text.endsWith('\n'),
    ...(onStarted !== undefined && { onStarted }),
    clock,
    signal,
  })
  return answer.text.trim()
}
