import { expandVariables, type JobVariable } from '@runner-core/job'

/** A variable of a job, as it is written. */
export type WrittenVariable = Pick<JobVariable, 'key' | 'value' | 'public' | 'raw'>

/** Of all together: beside what a program's arguments need. */
const maxCharacters = 256 * 1024
/** Of one variable; the kernel takes 128 KiB. */
const maxVariableCharacters = 30_000

/**
 * What the container of a job has in its environment before its script exports all of its variables, for an entrypoint
 * to read: those that are no secrets of the project, as many as fit.
 */
export function entrypointEnvironment(jobVariables: readonly WrittenVariable[]): readonly string[] {
  const ofJob = new Map(jobVariables.map((variable) => [variable.key, variable]))
  const written = (name: string): string => ofJob.get(name)?.value ?? ''
  const environment: string[] = []
  let left = maxCharacters
  for (const { key, value, raw, public: isPublic } of ofJob.values()) {
    if (!isPublic || value.length > maxVariableCharacters) continue
    const text = `${key}=${raw ? value : expandVariables(value, written)}`
    left -= text.length
    if (left < 0) break
    if (text.length <= maxVariableCharacters) environment.push(text)
  }
  return environment
}
