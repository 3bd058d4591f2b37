import { buildsDirectory, loginDirectory, projectPath } from '../build-paths.ts'
import type { Clock } from '../clock.ts'
import type { JobPayload } from '../job-payload.ts'
import type { PlannedJob } from '../planned-job.ts'
import { attempts } from '../variables/attempts.ts'
import type { CachePlanOptions } from './cache-plan.ts'
import type { CacheStore } from './cache-store.ts'
import type { LocalCache } from './local-cache.ts'

/** Where a runner's jobs keep their caches. */
export interface CachePlace {
  /** Where a machine keeps them itself: absolute, or relative to the login's home. */
  readonly directory: string
  /** Keeps them for all machines. Absent: each machine keeps its own. */
  readonly store?: CacheStore | undefined
}

/** What the stages of a job that move its caches need to know of it. */
export interface CacheContext {
  readonly plan: CachePlanOptions
  readonly projectId: number
  /** The work tree: absolute, or below `loginDirectory`. */
  readonly projectDir: string
  readonly local: Omit<LocalCache, 'key'>
  /** Absent: the machine keeps caches itself. */
  readonly store: CacheStore | undefined
  /** Tries of each archive that is to be restored. */
  readonly attempts: number
  /** How long one archive may take. */
  readonly timeoutMs: number
  /** What is to be said of the settings. */
  readonly warnings: readonly string[]
  readonly clock: Pick<Clock, 'after'>
}

export interface CacheContextOptions {
  readonly payload: JobPayload
  readonly plan: Pick<PlannedJob, 'projectDir' | 'expand' | 'setting'>
  readonly caches: CachePlace
  readonly clock: Pick<Clock, 'after'>
}

const defaultTimeoutMinutes = 10

export function cacheContext({ payload, plan, caches, clock }: CacheContextOptions): CacheContext {
  const tries = attempts('RESTORE_CACHE_ATTEMPTS', plan.setting('RESTORE_CACHE_ATTEMPTS'))
  const minutes = plan.setting('CACHE_REQUEST_TIMEOUT')
  const hasMinutes = /^[1-9]\d{0,5}$/.test(minutes)
  return {
    plan: {
      caches: payload.cache,
      defaultKey: `${payload.job_info.name}/${payload.git_info.ref}`,
      fallbackKey: plan.setting('CACHE_FALLBACK_KEY'),
      // Only the machine knows that directory.
      expand: (text) => plan.expand(text).replaceAll(loginDirectory, '~'),
    },
    projectId: payload.job_info.project_id,
    projectDir: plan.projectDir,
    local: { cacheDir: buildsDirectory(caches.directory), projectPath: projectPath(payload) },
    store: caches.store,
    attempts: tries.count,
    timeoutMs: (hasMinutes ? Number(minutes) : defaultTimeoutMinutes) * 60_000,
    warnings: [
      ...tries.warnings,
      ...(minutes === '' || hasMinutes
        ? []
        : [`CACHE_REQUEST_TIMEOUT: expected minutes, got ${JSON.stringify(minutes)}; using ${defaultTimeoutMinutes}`]),
    ],
    clock,
  }
}
