import { expandVariables, JobError, type JobVariable } from '@runner-core/job'
import type { WrittenVariable } from '../containers/entrypoint-environment.ts'

export interface ServiceEnvironmentOptions {
  /** The job's, as written: where a key comes twice, the later one wins. */
  readonly jobVariables: readonly WrittenVariable[]
  /** The service's own, as written. */
  readonly own: readonly Pick<JobVariable, 'key' | 'value' | 'raw'>[]
}

/** Characters of a service's environment: more than half of them no program could be started with. */
const maxCharacters = 1024 * 1024

/**
 * What a service has in its environment, as `KEY=value`: the job's variables that are no secrets of the project, and
 * its own, which may refer to all of the job's. Thrown: `JobError` `limit_exceeded` where they are longer than any
 * program's may be.
 */
export function serviceEnvironment({ jobVariables, own }: ServiceEnvironmentOptions): readonly string[] {
  const ofJob = new Map(jobVariables.map((variable) => [variable.key, variable]))
  const ofService = new Map(own.map((variable) => [variable.key, variable]))
  let left = maxCharacters
  const drawn = (text: string): string => {
    left -= text.length
    if (left >= 0) return text
    const message = `the environment of a service: more than ${maxCharacters} characters`
    throw new JobError('limit_exceeded', 'runner_configuration_error', message)
  }
  const written = (name: string): string => ofJob.get(name)?.value ?? ''
  const known = new Map<string, string>()
  /** Of the job: its variables are expanded once. */
  const expanded = (name: string): string => {
    const { value = '', raw = true } = ofJob.get(name) ?? {}
    const result = known.get(name) ?? drawn(raw ? value : expandVariables(value, written))
    known.set(name, result)
    return result
  }
  const lookUp = (name: string): string => ofService.get(name)?.value ?? expanded(name)
  const environment = new Map<string, string>()
  for (const { key, public: isPublic } of ofJob.values()) if (isPublic) environment.set(key, expanded(key))
  for (const { key, value, raw } of ofService.values())
    environment.set(key, drawn(raw ? value : expandVariables(value, lookUp)))
  return [...environment].map(([key, value]) => `${key}=${value}`)
}
