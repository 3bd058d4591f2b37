import { JobError } from '@runner-core/job'
import type { DockerSettings, PullPolicy } from '../settings/docker-settings.ts'

/**
 * The policies to try for `image`, in order: the job's own (`image:pull_policy`), otherwise the configuration's
 * (`always` when it has none), without those that are not allowed. Thrown: `JobError` `not_allowed` when none remains.
 */
export function effectivePullPolicies(
  {
    pullPolicies: policies,
    allowedPullPolicies: allowed = [],
  }: Pick<DockerSettings, 'pullPolicies' | 'allowedPullPolicies'>,
  ofJob: readonly string[],
  image: string,
): PullPolicy[] {
  const configured = policies.length === 0 ? (['always'] as const) : policies
  const permitted = allowed.length === 0 ? configured : allowed
  const wanted = ofJob.length === 0 ? configured : ofJob
  const effective = wanted.flatMap((policy) => permitted.filter((each) => each === policy).slice(0, 1))
  if (effective.length > 0) return effective
  const source =
    ofJob.length > 0 ? 'GitLab pipeline config' : policies.length > 0 ? 'Runner config' : 'Runner config (default)'
  throw new JobError(
    'not_allowed',
    'runner_configuration_error',
    `invalid pull policy for image ${JSON.stringify(image.slice(0, 1024))}: pull_policy (${listed(wanted)}) defined in ${source} is not one of ` +
      `the allowed_pull_policies (${listed(permitted)})`,
  )
}

/** Bounded: a job may list any number of texts. */
function listed(policies: readonly string[]): string {
  const shown = policies.slice(0, 10).map((policy) => policy.slice(0, 50))
  return `[${shown.join(' ')}${policies.length > shown.length ? ' …' : ''}]`
}
