import type { FileTransfer, JobEnvironment, ScriptEnd } from '../job-environment.ts'
import { bufferCollector } from './buffer-collector.ts'

/** Output that was not asked for yet is kept up to this, so that machine and reader need not wait for each other. */
const maxWaitingBytes = 1024 * 1024
const longestComplaint = 4096

/** Thrown when a command that moves files failed on the machine. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
  readonly code = 'transfer_failed'
  readonly end: ScriptEnd

  constructor(what: string, end: ScriptEnd, complaint: string) {
    const how = 'exitCode' in end ? `exit status ${end.exitCode}` : `signal ${end.signal}`
    super(`${what} failed on the instance (${how}): ${complaint.trim() || 'no reason given'}`)
    this.end = end
  }
}

export interface ReceiveOptions extends Pick<FileTransfer, 'command' | 'input' | 'signal'> {
  readonly environment: Pick<JobEnvironment, 'transfer'>
  /** What the command does, for a message. */
  readonly what: string
}

/**
 * What a command on the machine prints, as it comes. A reader that stops ends the command, and waits until it has
 * ended. Thrown: {@link TransferError} when the command fails, once all its output was read; `EnvironmentError`; the
 * signal's reason.
 */
export async function* received({
  environment,
  what,
  command,
  input,
  signal,
}: ReceiveOptions): AsyncGenerator<Buffer, void, undefined> {
  const left = new AbortController()
  const waiting: Buffer[] = []
  let waitingBytes = 0
  let onChunk = (): void => {}
  let onRead = (): void => {}
  let complaint = ''
  let outcome: { readonly end: ScriptEnd } | { readonly error: unknown } | undefined
  const over = environment
    .transfer({
      command,
      ...(input !== undefined && { input }),
      stdout: (chunk) => {
        waiting.push(chunk)
        waitingBytes += chunk.length
        bufferCollector.passed(chunk.length)
        onChunk()
        if (waitingBytes < maxWaitingBytes) return
        return new Promise<void>((resolve) => (onRead = resolve))
      },
      stderr: (chunk) => {
        complaint = (complaint + chunk.toString()).slice(0, longestComplaint)
      },
      signal: AbortSignal.any([signal, left.signal]),
    })
    .then(
      (end) => (outcome = { end }),
      (error: unknown) => (outcome = { error }),
    )
    .finally(() => onChunk())
  try {
    for (;;) {
      const chunk = waiting.shift()
      if (chunk !== undefined) {
        waitingBytes -= chunk.length
        if (waitingBytes < maxWaitingBytes / 2) onRead()
        yield chunk
      } else if (outcome === undefined) await new Promise<void>((resolve) => (onChunk = resolve))
      else break
    }
    if ('error' in outcome) throw outcome.error
    const { end } = outcome
    if (!('exitCode' in end) || end.exitCode !== 0) throw new TransferError(what, end, complaint)
  } finally {
    onRead()
    if (outcome === undefined) {
      left.abort(new DOMException('no longer read', 'AbortError'))
      // What ends the command ends all that the job runs.
      await over
    }
  }
}
