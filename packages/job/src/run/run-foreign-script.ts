import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { EnvironmentError, type JobEnvironment, type OutputSink, type ScriptEnd } from '../job-environment.ts'
import { emitMarkers, MarkerFilter } from '../script/markers.ts'
import { quote } from '../script/quote.ts'

export interface ForeignScript {
  /** Text for the environment's shell, as somebody else generated it; it holds no NUL. */
  readonly script: string
  /** Takes what it prints, both streams, in order. */
  readonly output: OutputSink
  /**
   * Aborted when it must end now: every process of the job is ended before the call rejects with the signal's reason.
   */
  readonly signal: AbortSignal
  /** Default: 128 random bits. */
  readonly createNonce?: () => string
}

/** What a shell gives for a command that it found and could not run, and for one that it did not find. */
const shellFailures: readonly number[] = [126, 127]

/**
 * Runs a script that somebody else generated, as one stage of a job, and answers its exit status: 128 and the signal's
 * number where a signal ended it. It has no standard input. What it started in the background lives on, for the stages
 * after it, until `killAll`. Rejects with {@link EnvironmentError}: also where the machine has no such shell.
 */
export async function runForeignScript(
  environment: JobEnvironment,
  { script, output, signal, createNonce = randomNonce }: ForeignScript,
): Promise<number> {
  const nonce = createNonce()
  const filter = new MarkerFilter(nonce)
  let status: number | undefined
  let isComplete = false
  const pass = (chunk: Buffer): void | Promise<void> => {
    let pending: Promise<void> | undefined
    for (const piece of filter.push(chunk)) {
      if ('output' in piece)
        pending = pending === undefined ? (output(piece.output) ?? undefined) : pending.then(() => output(piece.output))
      else if (piece.marker.startsWith('end ')) status = Number(piece.marker.split(' ')[1])
      else isComplete = true
    }
    return pending
  }
  const end = await environment.run({
    script: wrapped(script, nonce),
    nonce,
    stdout: pass,
    stderr: output,
    isComplete: () => isComplete,
    signal,
  })
  for (const piece of filter.end()) if ('output' in piece) await output(piece.output)
  if (status !== undefined) return status
  // Not its own status: the shell around it was ended with it, or never began.
  if ('exitCode' in end && shellFailures.includes(end.exitCode))
    throw new EnvironmentError(
      'failed',
      `the instance's shell could not run the script: it ended with exit status ${end.exitCode}`,
    )
  return statusOf(end)
}

/**
 * The script runs in a subshell, since it may end its shell; the one around it says how. `rc_s` and `$2` are for
 * `detachedScript`.
 */
function wrapped(script: string, nonce: string): Buffer {
  const text = [
    '{ unset s; exec 2>&1; set -- "$PWD" 0',
    `( set --; eval ${quote(script)}`,
    ') </dev/null',
    'set -- "$1" $?; rc_s=unswept',
    emitMarkers(nonce, ['end %s', '%s'], ['$2', '$rc_s']),
    ':\n}\n',
  ]
  return Buffer.from(text.join('\n'))
}

function statusOf(end: ScriptEnd): number {
  if ('exitCode' in end) return end.exitCode || 1
  const numbers: Readonly<Record<string, number>> = constants.signals
  return 128 + (numbers[`SIG${end.signal}`] ?? 0)
}

function randomNonce(): string {
  return randomBytes(16).toString('hex')
}
