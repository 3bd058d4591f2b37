import type { JobPayload } from '@runner-core/job'
import type { EndOutbox } from '../ends/end-outbox.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { JobPoller } from '../jobs/job-poller.ts'
import type { JobSupervisor } from '../jobs/job-supervisor.ts'
import type { FleetState } from '../state/open-fleet-state.ts'

/** What works for a runner whose fleet has started. */
export interface RunningParts {
  readonly fleet: Fleet
  readonly poller: JobPoller<JobPayload>
  readonly supervisor: JobSupervisor
}

/** What a runner has, as far as it has come. Its supervisor fills it; how the fleet departs reads it. */
export interface RunnerParts {
  /** Absent until it is open, and where nothing is kept. */
  state?: FleetState | undefined
  /** Absent until it is known whether state is kept. */
  ends?: EndOutbox
  /** Absent until the fleet has started, and once another process has it. */
  running?: RunningParts | undefined
  /** Jobs of an earlier process that go on. */
  takenOver: readonly Promise<void>[]
}
