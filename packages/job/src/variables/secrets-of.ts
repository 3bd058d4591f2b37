import type { JobPayload } from '../job-payload.ts'
import { splitCredentials } from '../repository-url.ts'

/**
 * What of a job its trace must not show: the values of masked variables, the job's token, and the passwords in the
 * repository's address and of its credentials. What the expansion of masked variables makes of them is only known once
 * the job has a machine: `runJob` adds it to the trace then.
 */
export function secretsOf(payload: JobPayload): string[] {
  const masked = payload.variables.filter((variable) => variable.masked).map((variable) => variable.value)
  const passwords = (payload.credentials ?? []).map((credential) => credential.password)
  const secrets = [payload.token, splitCredentials(payload.git_info.repo_url).password, ...passwords, ...masked]
  return [...new Set(secrets.map((secret) => secret.trim()))].filter((secret) => secret !== '')
}
