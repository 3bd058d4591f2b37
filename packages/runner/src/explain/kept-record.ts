import type { Decision } from '@runner-core/taskscaler'
import type { JobHistory } from './job-history.ts'

/** A fleet's record as it was kept: oldest first. */
export interface KeptRecord {
  readonly decisions: readonly Decision[]
  readonly jobs: readonly JobHistory[]
}
