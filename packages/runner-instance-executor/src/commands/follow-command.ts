import type { Clock, Connection, OutputSink } from '@runner-core/fleeting'
import { StartMark } from '@runner-core/job'
import { LastOutput } from './last-output.ts'

export interface FollowRun {
  /** What `followScript` made. */
  readonly script: Buffer
  readonly nonce: string
  /** What the detached script printed, from the offset on. */
  readonly stdout: OutputSink
  /** The detached script was found: its output comes from now on. `uptime`: see `ScriptRun.resumed`. */
  readonly onFound: (uptime: string) => void
  /** See `ScriptRun.isComplete`. */
  readonly isComplete: () => boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * How following ended: the script's last word was delivered; no such script was ever started; or its shell is gone, and
 * its last word is not in what was kept: then `status` is what it left, `undefined` when it was killed. Of what was
 * kept all has been delivered then, as far as its machine sends it without a long pause. `torn`: one was about to be
 * started, and its file is not whole.
 */
export type FollowEnd = 'complete' | 'absent' | 'torn' | { readonly status: string | undefined }

/**
 * Follows a detached script until its last word. Rejects with `ConnectionError`, the signal's reason, and what a sink
 * throws.
 */
export async function followCommand(connection: Connection, run: FollowRun): Promise<FollowEnd> {
  const { script, nonce, stdout, onFound, isComplete, clock, signal } = run
  const mark = new StartMark(nonce)
  let hasBegun = false
  let errors = ''
  let cancelWait = (): void => {}
  let closeInput!: () => void
  const inputClosed = new Promise<void>((resolve) => (closeInput = resolve))
  async function* input(): AsyncGenerator<Buffer> {
    yield script
    await inputClosed
  }
  let settle!: (end: FollowEnd) => void
  const ended = new Promise<FollowEnd>((resolve) => (settle = resolve))
  const lastOutput = new LastOutput(clock)
  const lookForEnd = (): void => {
    if (isComplete()) settle('complete')
  }
  const pass = (bytes: Buffer): void | Promise<void> => {
    if (bytes.length === 0) return
    const pending = stdout(bytes)
    if (pending !== undefined) return pending.then(lookForEnd)
    lookForEnd()
  }
  const onOutput = (chunk: Buffer): void | Promise<void> => {
    if (hasBegun) return pass(chunk)
    const start = mark.push(chunk)
    if (start === undefined) return
    hasBegun = true
    if (start.kind === 'absent' || start.kind === 'torn') return settle(start.kind)
    onFound(start.told)
    lookForEnd()
    return pass(start.rest)
  }
  const onErrors = (chunk: Buffer): void => {
    errors = (errors + chunk.toString('latin1')).slice(-1000)
    const [, gone] = new RegExp(`${nonce} gone (.*)\n`).exec(errors) ?? []
    if (gone === undefined) return
    errors = ''
    const end = { status: gone === 'killed' ? undefined : gone }
    cancelWait()
    cancelWait = lastOutput.whenSilent(() => settle(end))
  }
  const execution = await connection.exec('exec sh', {
    stdin: input(),
    stdout: lastOutput.watch(onOutput),
    stderr: onErrors,
    signal,
  })
  try {
    const over = execution.closed.then((): FollowEnd => {
      throw new Error(`the program that follows the script ended on its own: ${errors.trim()}`)
    })
    return await Promise.race([ended, over])
  } finally {
    cancelWait()
    closeInput()
    execution.close()
  }
}
