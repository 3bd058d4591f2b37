import { describeError } from '@runner-core/fleeting'
import { hasParts } from '@runner-core/fleeting/multi'
import type { Fleet } from '../fleet/fleet.ts'
import type { JobPoller } from '../jobs/job-poller.ts'
import type { RunnerProgress } from './health.ts'

/** What health needs to know of a runner whose fleet has started. */
export function runningProgress(
  fleet: Fleet,
  poller: Pick<JobPoller<unknown>, 'trouble' | 'state' | 'passedAt' | 'pace'>,
  updateIntervalMs: number,
): NonNullable<RunnerProgress['running']> {
  const { trouble } = poller
  const { listedAt, listError, groupTrouble, massDisappearanceSince, missingCount } = fleet.provisioner
  const partTrouble = groupTrouble === undefined && hasParts(fleet.group) ? fleet.group.partTrouble() : undefined
  const stateTrouble = fleet.state?.lease.trouble
  return {
    poller: poller.state,
    pollerPassedAt: poller.passedAt,
    ...(trouble && {
      coordinatorTrouble: {
        since: trouble.since,
        error: describeError(trouble.error),
        ...(trouble.isRefusal && { refusedUntil: poller.pace.nextAt }),
      },
    }),
    scalerPassedAt: fleet.scaler.status().passedAt,
    listedAt,
    ...(listError && { listError: describeError(listError) }),
    ...(groupTrouble !== undefined && { groupTrouble }),
    ...(partTrouble !== undefined && { partTrouble }),
    ...(massDisappearanceSince !== undefined && {
      massDisappearance: { since: massDisappearanceSince, missing: missingCount },
    }),
    ...(stateTrouble && { stateTrouble: { since: stateTrouble.since, error: describeError(stateTrouble.error) } }),
    updateIntervalMs,
  }
}
