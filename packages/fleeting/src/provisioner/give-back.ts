import { backoffMs } from '../contract/backoff.ts'
import { delay } from '../contract/clock.ts'
import { deadline } from '../contract/deadline.ts'
import { asGroupError, GroupError } from '../contract/errors.ts'
import type { ProvisionerContext } from './context.ts'
import { callBackoffCurve } from './launches/backoff.ts'
import { tripsBreaker } from './launches/launch-breaker.ts'
import type { Launcher } from './launches/launcher.ts'

/** The error that ends calls which the end of the provisioner waits for no longer. */
export function waitsNoLonger(): GroupError {
  return new GroupError('transient', 'the shutdown no longer waits')
}

/**
 * What is left of all that was asked for and has not come, by name; a group that can is told first that it is not
 * wanted any more.
 */
export async function giveBack(
  { group, caller, clock, random, settings, logger }: ProvisionerContext,
  launcher: Launcher,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const mayAppear = launcher.mayAppear()
  if (group.giveBack === undefined) return mayAppear
  using limit = deadline(clock, settings.shutdownDeletionIntervalMs, waitsNoLonger, signal)
  for (let failures = 1; ; failures += 1) {
    try {
      const left = await caller.call('giveBack', (end) => group.giveBack!(end), limit.signal)
      if (left === 0) return launcher.unlisted('all')
      return mayAppear.length > 0 ? mayAppear : [`${left} requested instances that have not appeared`]
    } catch (thrown) {
      const error = asGroupError(thrown)
      logger.error({ err: error, failures }, 'giving back requested instances that have not appeared')
      if (limit.signal.aborted || tripsBreaker(error.code))
        return mayAppear.length > 0 ? mayAppear : [`requested instances that have not appeared: ${error.message}`]
      await delay(clock, backoffMs(callBackoffCurve, failures, random, error.retryAfterMs), limit.signal).catch(
        () => {},
      )
    }
  }
}
