import { type LaunchFailureCode, outstandingCount } from '@runner-core/fleeting/provisioner'
import { choosePlacement } from './choose-placement.ts'
import type { ScalingSnapshot } from './scaling-snapshot.ts'

/** Failures of launches that end when an instance goes. */
const fullCodes: ReadonlySet<LaunchFailureCode> = new Set(['quota', 'capacity'])

/**
 * How many new instances can be waited for: those that are on their way, and those that may still be launched. Of the
 * latter there are none while the cloud says that it is full.
 */
export function instanceRoom({ launches, placements, supply }: ScalingSnapshot): number {
  const outstanding = outstandingCount(launches)
  const { placement } = choosePlacement(launches, placements)
  const isFull = launches.backoffs.some(
    (backoff) => fullCodes.has(backoff.code) && (backoff.placement === undefined || backoff.placement === placement),
  )
  const spare = launches.closed || isFull ? 0 : launches.maxInstances - launches.known - outstanding
  return outstanding + supply.pending + Math.max(0, spare)
}
