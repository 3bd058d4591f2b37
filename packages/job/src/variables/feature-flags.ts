import type { JobPayload } from '../job-payload.ts'

/**
 * The job with the feature flags that the configuration of its runner sets: what the job's own variables say of these
 * flags does not count.
 */
export function withFeatureFlags(job: JobPayload, flags: Readonly<Record<string, boolean>>): JobPayload {
  const names = Object.keys(flags)
  if (names.length === 0) return job
  const set = names.map((key) => ({
    key,
    value: String(flags[key]),
    public: true,
    file: false,
    masked: false,
    raw: true,
  }))
  return { ...job, variables: [...job.variables.filter(({ key }) => !Object.hasOwn(flags, key)), ...set] }
}
