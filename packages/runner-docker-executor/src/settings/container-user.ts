import { JobError } from '@runner-core/job'
import type { DockerSettings } from './docker-settings.ts'

/** Users that a message contains. */
const maxShown = 20

/**
 * The user that a job runs as: the configuration's, else the job's, else undefined, the image's. Thrown: `JobError`
 * `not_allowed`.
 */
export function containerUser(
  { user: configured, allowedUsers }: Pick<DockerSettings, 'user' | 'allowedUsers'>,
  asked: string | undefined,
): string | undefined {
  const user = configured ?? (asked === '' ? undefined : asked)
  const allowed = allowedUsers.length > 0 ? allowedUsers : configured === undefined ? undefined : [configured]
  if (user === undefined || allowed === undefined || allowed.includes(user)) return user
  throw new JobError(
    'not_allowed',
    // Upstream's reason, although the configuration is the cause.
    'runner_system_failure',
    `user ${JSON.stringify(user)} is not an allowed user (allowed_users of the runner): ${allowed.slice(0, maxShown).join(', ')}`,
  )
}
