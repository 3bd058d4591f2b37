import { parseGoBool } from '../go-bool.ts'
import { JobError } from '../job-error.ts'
import type { JobPayload } from '../job-payload.ts'
import { expand } from './expand.ts'
import type { EnvironmentVariable } from './job-variables.ts'

/** Who says what a job's settings are. */
export interface SettingSources {
  readonly payload: Pick<JobPayload, 'variables'>
  /** `environment` of the configuration. */
  readonly environmentVariables: readonly EnvironmentVariable[]
}

/**
 * The value of a setting that is needed before the job has a place: what only a machine makes of it is not in it. Empty
 * when it is not set, or far too long.
 */
export function earlySetting({ payload, environmentVariables }: SettingSources, key: string): string {
  const variables: readonly (EnvironmentVariable & { readonly raw?: boolean })[] = [
    ...environmentVariables,
    ...payload.variables,
  ]
  const last = (name: string): string => variables.findLast((variable) => variable.key === name)?.value ?? ''
  const isRaw = variables.findLast((variable) => variable.key === key)?.raw ?? false
  if (isRaw) return last(key).trim()
  try {
    return expand(last(key), last).trim()
  } catch (error) {
    // The job fails of it once its variables are expanded.
    if (error instanceof JobError && error.code === 'limit_exceeded') return ''
    throw error
  }
}

/** A text of the job that is needed before it has a place, with its variables replaced: see {@link earlySetting}. */
export function earlyText(sources: SettingSources, text: string): string {
  return expand(text, (name) => earlySetting(sources, name))
}

/**
 * Whether the job asks for its commands as the shell runs them (`CI_DEBUG_TRACE`). They show secrets that no mask
 * covers: its log is for developers only.
 */
export function isDebugTrace(sources: SettingSources): boolean {
  return parseGoBool(earlySetting(sources, 'CI_DEBUG_TRACE')) === true
}

/** Whether each line of the log begins with the time at which it came (`FF_TIMESTAMPS`, on by default). */
export function hasTimestamps(sources: SettingSources): boolean {
  return parseGoBool(earlySetting(sources, 'FF_TIMESTAMPS')) ?? true
}
