import type { ArtifactDestination } from '../artifacts/artifact-destination.ts'
import type { ArtifactSource } from '../artifacts/artifact-source.ts'
import { dependencyContext } from '../artifacts/dependency-context.ts'
import { downloadArtifacts } from '../artifacts/download-artifacts.ts'
import { uploadArtifacts } from '../artifacts/upload-artifacts.ts'
import { type CachePlace, cacheContext } from '../caches/cache-context.ts'
import { restoreCaches } from '../caches/restore-cache.ts'
import { saveCaches } from '../caches/save-cache.ts'
import type { Clock } from '../clock.ts'
import type { FileStage } from '../files/file-stage.ts'
import { LateVariablesReader } from '../files/read-late-variables.ts'
import type { JobPayload } from '../job-payload.ts'
import type { PlannedJob } from '../planned-job.ts'

export interface JobFilesOptions {
  readonly payload: JobPayload
  readonly plan: PlannedJob
  readonly caches: CachePlace
  readonly artifacts: (ArtifactSource & ArtifactDestination) | undefined
  readonly clock: Pick<Clock, 'after'>
}

/**
 * What happens to a job's files before its steps, in GitLab's order: caches, then artifacts of earlier jobs. Empty: the
 * job needs no round trip for it.
 */
export function bringFiles(options: JobFilesOptions): readonly FileStage[] {
  return [...restoreCaches(cacheContext(options)), ...downloadArtifacts(dependencyContext(options))]
}

/**
 * The same after the job's scripts: caches, then artifacts. `mayHaveJobEnv`: whether steps may have left variables in
 * `GITLAB_ENV`.
 */
export function keepFiles(
  options: JobFilesOptions,
  hasSucceeded: boolean,
  mayHaveJobEnv: boolean,
): readonly FileStage[] {
  const variables = new LateVariablesReader(options.plan, mayHaveJobEnv)
  return [
    ...saveCaches(cacheContext(options), hasSucceeded, variables),
    ...uploadArtifacts({ ...options, variables }, hasSucceeded),
  ]
}
