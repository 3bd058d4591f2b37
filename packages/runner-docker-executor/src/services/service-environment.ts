import type { JobVariable } from '@runner-core/job'

export interface ServiceEnvironmentOptions {
  /** The job's, expanded: where a key comes twice, the later one wins. */
  readonly jobVariables: readonly Pick<JobVariable, 'key' | 'value' | 'public'>[]
  /** The service's own, as written. */
  readonly own: readonly Pick<JobVariable, 'key' | 'value' | 'raw'>[]
  /** Replaces variables by what `lookUp` gives. */
  readonly expand: (text: string, lookUp: (name: string) => string) => string
}

/**
 * What a service has in its environment, as `KEY=value`: the job's variables that are no secrets of the project, and
 * its own, which may refer to all of the job's.
 */
export function serviceEnvironment({ jobVariables, own, expand }: ServiceEnvironmentOptions): readonly string[] {
  const ofJob = new Map(jobVariables.map((variable) => [variable.key, variable]))
  const ofService = new Map(own.map((variable) => [variable.key, variable]))
  const lookUp = (name: string): string => ofService.get(name)?.value ?? ofJob.get(name)?.value ?? ''
  const environment = new Map<string, string>()
  for (const { key, value, public: isPublic } of ofJob.values()) if (isPublic) environment.set(key, value)
  for (const { key, value, raw } of ofService.values()) environment.set(key, raw ? value : expand(value, lookUp))
  return [...environment].map(([key, value]) => `${key}=${value}`)
}
