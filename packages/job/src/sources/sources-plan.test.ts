import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { noRunnerScripts } from '../runner-scripts.ts'
import { sourcesPlan } from './sources-plan.ts'

const git = (repoUrl: string, settings: Readonly<Record<string, string>>) => {
  const job = payload()
  const variables = Object.entries(settings).map(
    ([key, value]) => [key, { key, value, file: false, masked: false }] as const,
  )
  const ofUrl = { ...job, git_info: { ...job.git_info, repo_url: repoUrl } }
  return sourcesPlan(ofUrl, 'fetch', new Map(variables), noRunnerScripts).git!
}

test('ssh addresses of the coordinator become http ones, below its path, on every host and port it has for ssh', () => {
  const forced = { GIT_SUBMODULE_FORCE_HTTPS: 'true' }
  const elsewhere = { CI_SERVER_SHELL_SSH_HOST: 'ssh.gitlab.invalid', CI_SERVER_SHELL_SSH_PORT: '2222' }
  const froms = (host: string) => [`git@${host}:`, `ssh://git@${host}/`]
  expect(git('https://u:p@gitlab.invalid:8443/below/group/project.git', forced).rewrites).toEqual(
    froms('gitlab.invalid').map((from) => ({ from, to: 'https://gitlab.invalid:8443/below/' })),
  )
  expect(git('https://u:p@gitlab.invalid/mirror.git', { ...forced, ...elsewhere }).rewrites).toEqual(
    ['gitlab.invalid', 'ssh.gitlab.invalid']
      .flatMap((host) => [...froms(host), `ssh://git@${host}:2222/`])
      .map((from) => ({ from, to: 'https://gitlab.invalid/' })),
  )
  expect(git('https://u:p@gitlab.invalid/group/project.git', elsewhere).rewrites).toEqual([])
  expect(git('file:///srv/group/project.git', forced).rewrites).toEqual([])
})
