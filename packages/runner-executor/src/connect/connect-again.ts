import { type Clock, type Connection, delay } from '@runner-core/fleeting'
import type { Acquisition } from '@runner-core/taskscaler'
import { judgeDialFailure } from './dial-failure.ts'

/** Between two tries to reach a machine that refuses at once. */
const pauseMs = 1000

/**
 * Connects to a machine that was reached before and may be out of reach for a while, until `signal` aborts. Rejects
 * with its reason, and at once when the machine cannot come back.
 */
export async function connectAgain(
  acquisition: Pick<Acquisition, 'connect'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Connection> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await acquisition.connect(signal)
    } catch (error) {
      signal.throwIfAborted()
      if (!['unhealthy', 'later'].includes(judgeDialFailure(error))) throw error
    }
    await delay(clock, pauseMs, signal)
  }
}
