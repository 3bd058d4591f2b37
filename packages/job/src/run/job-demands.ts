import { JobError } from '../job-error.ts'
import type { JobPayload } from '../job-payload.ts'
import type { EnvironmentVariable } from '../variables/job-variables.ts'

/** What a job may ask for and run without: it is told so in its trace. Everything else that is unsupported fails it. */
const dispensable: Readonly<Record<string, string>> = {
  image: 'image is ignored: the job runs on the instance itself',
  services: 'services are ignored: this runner starts none',
}

const missed: Readonly<Record<string, string>> = {
  secrets: 'secrets of an external store',
  run: 'steps in place of a script',
}

/**
 * Decides, before a machine is taken, whether a job can be what its author meant. `supports`: parts, as in
 * `JobPayload.unsupported`, that its executor can do. Returns warnings for its trace.
 * Thrown: {@link JobError} `unsupported` when it needs what this runner cannot do, `invalid_job` when a script or a
 * variable holds what no shell can hold.
 */
export function checkDemands(
  payload: JobPayload,
  environmentVariables: readonly EnvironmentVariable[],
  supports: readonly string[] = [],
): string[] {
  const unsupported = payload.unsupported.filter((part) => !supports.includes(part))
  const missing = unsupported.filter((part) => dispensable[part] === undefined)
  if (missing.length > 0) {
    const needs = missing.map((part) => (missed[part] === undefined ? part : `${part} (${missed[part]})`)).join(', ')
    throw new JobError(
      'unsupported',
      'runner_configuration_error',
      `this runner does not support what the job needs: ${needs}`,
    )
  }
  // The machine would cut such a text at the NUL, or drop it: in both cases something else than what was written would
  // run.
  const nul = [
    ...[...payload.steps, ...payload.hooks].flatMap(({ name, script }) =>
      script.flatMap((line, index) => (line.includes('\0') ? [`${name}, line ${index + 1}`] : [])),
    ),
    ...[...environmentVariables, ...payload.variables]
      .filter(({ key, value }) => `${key}${value}`.includes('\0'))
      .map(({ key }) => `variable ${JSON.stringify(key)}`),
  ]
  if (nul.length > 0)
    throw new JobError(
      'invalid_job',
      'runner_configuration_error',
      `a shell cannot handle a NUL byte: ${nul.join('; ')}`,
    )
  return unsupported.flatMap((part) => dispensable[part] ?? [])
}
