import type { Clock } from '../clock.ts'
import { parseGoBool } from '../go-bool.ts'
import type { JobDependency, JobPayload } from '../job-payload.ts'
import type { PlannedJob } from '../planned-job.ts'
import { attempts } from '../variables/attempts.ts'
import type { ArtifactSource } from './artifact-source.ts'

/** What the stage that brings artifacts of earlier jobs needs to know. */
export interface DependencyContext {
  readonly dependencies: readonly JobDependency[]
  /** Absent: there is no way to any. */
  readonly source: ArtifactSource | undefined
  /** The work tree: absolute, or below `loginDirectory`. */
  readonly projectDir: string
  /** Tries of the whole stage. */
  readonly attempts: number
  /** See `ArtifactDownload`. */
  readonly mayBeElsewhere: boolean
  /** What is to be said of the settings. */
  readonly warnings: readonly string[]
  readonly clock: Pick<Clock, 'after'>
}

export interface DependencyContextOptions {
  readonly payload: Pick<JobPayload, 'dependencies'>
  readonly plan: Pick<PlannedJob, 'projectDir' | 'setting'>
  readonly artifacts: ArtifactSource | undefined
  readonly clock: Pick<Clock, 'after'>
}

export function dependencyContext({ payload, plan, artifacts, clock }: DependencyContextOptions): DependencyContext {
  const tries = attempts('ARTIFACT_DOWNLOAD_ATTEMPTS', plan.setting('ARTIFACT_DOWNLOAD_ATTEMPTS'))
  return {
    dependencies: payload.dependencies.filter(({ filename }) => filename !== ''),
    source: artifacts,
    projectDir: plan.projectDir,
    attempts: tries.count,
    mayBeElsewhere: parseGoBool(plan.setting('FF_USE_DIRECT_DOWNLOAD')) ?? true,
    warnings: tries.warnings,
    clock,
  }
}
