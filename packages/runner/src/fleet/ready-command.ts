import type { ExitStatus } from '@runner-core/fleeting'
import type { ReadyCheck } from '@runner-core/taskscaler'

/** How much of what the command printed last stands in the error. */
const keptOutput = 500

/** `instance_ready_command`: an instance is used once the command ended with 0 there. */
export function readyCommand(command: string): ReadyCheck {
  return async (_instance, connection, signal) => {
    let output = ''
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-keptOutput)
    }
    const execution = await connection.exec(command, { stdout: keep, stderr: keep, signal })
    // Not its output's end: it may have started a service that keeps that open.
    const end = await execution.exited
    execution.close()
    if ('code' in end && end.code === 0) return
    throw new Error(
      `instance_ready_command ended with ${endText(end)}${output.trim() === '' ? '' : `: ${output.trim()}`}`,
    )
  }
}

function endText(end: ExitStatus): string {
  return 'code' in end ? `exit code ${end.code}` : `signal ${end.signal}`
}
