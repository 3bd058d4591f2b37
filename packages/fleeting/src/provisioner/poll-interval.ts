import { type Instance, isSettled } from './instance.ts'
import type { ProvisionerSettings } from './settings.ts'

export interface PollInput {
  /** Whether launches are accepted, or may be, and not seen yet. */
  readonly launching: boolean
  readonly instances: Iterable<Instance>
  readonly isBusy: (id: string) => boolean
}

/** How long from the begin of one `list` to the next: fast while something is expected, quick enough to notice a loss while one is in use, slow otherwise. */
export function pollIntervalMs({ launching, instances, isBusy }: PollInput, settings: ProvisionerSettings): number {
  if (launching) return settings.updateIntervalWhenExpectingMs
  let inUse = false
  for (const instance of instances) {
    if (instance.removal !== undefined || instance.missed || !isSettled(instance)) return settings.updateIntervalWhenExpectingMs
    inUse ||= isBusy(instance.id)
  }
  return inUse ? Math.min(settings.updateIntervalWhenInUseMs, settings.updateIntervalMs) : settings.updateIntervalMs
}
