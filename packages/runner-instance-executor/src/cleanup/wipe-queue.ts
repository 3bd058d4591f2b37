import { type Clock, type Connection, deadline, type Logger } from '@runner-core/fleeting'
import { type DetachedLeftover, wipeScript } from '@runner-core/job'
import { Answer } from '../commands/answer.ts'
import { runCommand } from '../commands/run-command.ts'

export interface WipeQueueOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * What was left by jobs that are over is gathered for so long, since a command for each of them would cost as much as a
 * short job.
 */
const gatherMs = 1000
const limitMs = 10_000

interface Batch {
  /** The newest, which is likely to be alive. */
  connection: Connection
  scripts: DetachedLeftover[]
}

/**
 * Removes from instances what jobs that are over left there, over connections that are open anyway: one command a
 * second at most for each instance.
 */
export class WipeQueue {
  readonly #options: WipeQueueOptions
  readonly #batches = new Map<string, Batch>()
  #cancelTimer: (() => void) | undefined
  #wiping: Promise<unknown> = Promise.resolve()

  constructor(options: WipeQueueOptions) {
    this.#options = options
  }

  add(instanceId: string, connection: Connection, scripts: readonly DetachedLeftover[]): void {
    if (scripts.length === 0) return
    const batch = this.#batches.get(instanceId)
    if (batch === undefined) this.#batches.set(instanceId, { connection, scripts: [...scripts] })
    else {
      batch.connection = connection
      batch.scripts.push(...scripts)
    }
    this.#cancelTimer ??= this.#options.clock.after(gatherMs, () => void this.flush())
  }

  /** Removes now what is to be removed. Resolves when it is, or cannot be. Never rejects. */
  async flush(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const batches = [...this.#batches]
    this.#batches.clear()
    this.#wiping = Promise.all([this.#wiping, ...batches.map(([instanceId, batch]) => this.#wipe(instanceId, batch))])
    await this.#wiping
  }

  async #wipe(instanceId: string, { connection, scripts }: Batch): Promise<void> {
    const { clock, logger } = this.#options
    const [first, ...others] = scripts
    if (first === undefined) return
    const answer = new Answer()
    using limit = deadline(clock, limitMs, () => new Error(`no answer within ${limitMs} ms`))
    try {
      if (connection.ended !== undefined) throw connection.ended
      await runCommand(connection, {
        command: 'exec sh',
        script: wipeScript([first, ...others]),
        stdout: answer.take,
        isComplete: () => answer.text.endsWith('wiped\n'),
        clock,
        signal: limit.signal,
      })
    } catch (error) {
      // Machines that are gone with their connection need it not; others are cleaned of it by the wipe that follows a
      // day later.
      logger.debug(
        { instance: instanceId, jobs: scripts.length, err: error },
        'output of finished jobs may be left on an instance',
      )
    }
  }
}
