import { type Clock, type Connection, deadline, describeError } from '@runner-core/fleeting'
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts'
import type { Acquisition } from './slots/acquisition.ts'

export interface RunOptions {
  /** Ends the wait for a slot, and the task: its `signal` aborts with the same reason. */
  readonly signal?: AbortSignal
  /** Who gets a slot first: the larger number; first come, first served within one. @defaultValue `0` */
  readonly priority?: number
  /** Names the task in logs and status; the caller keeps it unique. @defaultValue a generated name */
  readonly key?: string
  /** How long the task may take once it has its slot, milliseconds. Waiting does not count. @defaultValue no limit */
  readonly timeoutMs?: number
}

/** What a task of `Taskscaler.run` gets: one slot of an instance, and its open connection. */
export interface TaskSlot extends Pick<Acquisition, 'instanceId' | 'slot' | 'useCount' | 'condemn'> {
  /** For what {@link exec} does not do, such as streams and ports. It belongs to the slot: leave it open. */
  readonly connection: Connection
  /** Aborts when the task is to stop: the caller's signal, {@link TaskTimeoutError}, or `InstanceLostError`. */
  readonly signal: AbortSignal
  /**
   * Runs one command with the instance's login shell, and collects its output.
   *
   * @throws `ConnectionError` when the connection is lost; {@link OutputLimitError}; the reason of `signal`. An exit
   * code other than 0 is a result, not an error.
   */
  readonly exec: (command: string, options?: CommandOptions) => Promise<CommandResult>
}

/** Thrown by `Taskscaler.run`, and the reason of the task's signal, when the task takes longer than `timeoutMs`. */
export class TaskTimeoutError extends Error {
  override readonly name = 'TaskTimeoutError'
  readonly code = 'task_timeout'
  readonly timeoutMs: number

  constructor(timeoutMs: number) {
    super(`the task took longer than ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
  }
}

/** Instances that a task tries before it gives up: nothing of it has begun on one that cannot be connected to. */
const maxInstancesTried = 3

export interface TaskSurroundings {
  /** Waits in line for a slot. */
  readonly acquire: () => Promise<Acquisition>
  readonly clock: Clock
}

/**
 * Runs one task on a slot. The slot goes to nobody else while something of the task may still run there: then the
 * instance is condemned.
 */
export async function runTask<Result>(
  task: (slot: TaskSlot) => Promise<Result>,
  { signal, timeoutMs = Number.POSITIVE_INFINITY }: RunOptions,
  { acquire, clock }: TaskSurroundings,
): Promise<Result> {
  for (let tried = 1; ; tried += 1) {
    await using acquisition = await acquire()
    let connection: Connection
    try {
      connection = await acquisition.connect(signal)
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      acquisition.condemn(`no connection for a task: ${describeError(error)}`)
      if (tried === maxInstancesTried) throw error
      continue
    }
    return await runOn(acquisition, connection, task, { signal, timeoutMs, clock })
  }
}

interface Limits {
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly clock: Clock
}

async function runOn<Result>(
  acquisition: Acquisition,
  connection: Connection,
  task: (slot: TaskSlot) => Promise<Result>,
  { signal, timeoutMs, clock }: Limits,
): Promise<Result> {
  const stops = signal === undefined ? acquisition.signal : AbortSignal.any([signal, acquisition.signal])
  using limit = deadline(clock, timeoutMs, () => new TaskTimeoutError(timeoutMs), stops)
  let running = 0
  const slot: TaskSlot = {
    instanceId: acquisition.instanceId,
    slot: acquisition.slot,
    useCount: acquisition.useCount,
    condemn: (reason) => acquisition.condemn(reason),
    connection,
    signal: limit.signal,
    exec: async (command, options) => {
      running += 1
      // Not counted down when it throws: the command may still run on the instance.
      const result = await runCommand(connection, command, limit.signal, options)
      running -= 1
      return result
    },
  }
  try {
    return await task(slot)
  } catch (error) {
    // The task may have wrapped it, or have failed in its own words because of it.
    throw limit.signal.aborted ? limit.signal.reason : error
  } finally {
    if (running > 0) acquisition.condemn('a command of a task may still run')
    else if (connection.ended !== undefined) acquisition.condemn('the connection was lost during a task')
  }
}
