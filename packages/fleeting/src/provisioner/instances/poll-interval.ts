import type { ProvisionerSettings } from '../settings.ts'
import { type Instance, isSettled } from './instance.ts'

export interface PollInput {
  /** Whether launches are accepted, or may be, and not seen yet. */
  readonly launching: boolean
  readonly instances: Iterable<Instance>
  readonly isBusy: (id: string) => boolean
  readonly now: number
}

/** For so long a missing instance is expected to be found, or to be known as gone, soon. */
const searchMs = 60_000

/**
 * How long from the begin of one `list` to the next: fast while something is expected, quick enough to notice a loss
 * while one is in use, slow otherwise.
 */
export function pollIntervalMs(
  { launching, instances, isBusy, now }: PollInput,
  settings: ProvisionerSettings,
): number {
  if (launching) return settings.updateIntervalWhenExpectingMs
  let inUse = false
  let count = 0
  for (const instance of instances) {
    const { missingSince = now, missed } = instance
    const isSearched = missed && now - missingSince < searchMs
    if (instance.removal !== undefined || isSearched || !isSettled(instance))
      return settings.updateIntervalWhenExpectingMs
    inUse ||= missed || isBusy(instance.id)
    count += 1
  }
  return inUse ? inUseIntervalMs(count, settings) : settings.updateIntervalMs
}

/**
 * While instances are in use. A list of a thousand takes the cloud two calls or more: it is read every 10 s, so that it
 * stays at 0.1 calls a job.
 */
export function inUseIntervalMs(
  count: number,
  { updateIntervalWhenInUseMs, updateIntervalMs }: ProvisionerSettings,
): number {
  return Math.min(updateIntervalMs, Math.max(updateIntervalWhenInUseMs, count * 10))
}
