import type { GitInfo, JobPayload } from '@runner-core/job'
import { type PayloadOptions, payload } from './job-fixture.ts'

const main = '+refs/heads/main:refs/remotes/origin/main'

/** A job whose sources are a commit of a repository's main branch. */
export function gitJob(
  repoUrl: string,
  sha: string,
  { variables = [], overrides = {}, ...rest }: PayloadOptions = {},
  info: Partial<GitInfo> = {},
): JobPayload {
  const job = payload(rest)
  return {
    ...job,
    variables,
    git_info: { ...job.git_info, repo_url: repoUrl, sha, refspecs: [main], depth: 20, ...info },
    ...overrides,
  }
}
