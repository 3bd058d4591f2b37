import { payload } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import { noRunnerScripts } from '../runner-scripts.ts'
import { settingOptions } from './git-settings.ts'
import { sourcesPlan } from './sources-plan.ts'

const git = (repoUrl: string, settings: Readonly<Record<string, string>>, cloneUrl?: string) => {
  const job = payload()
  const variables = Object.entries(settings).map(
    ([key, value]) => [key, { key, value, file: false, masked: false }] as const,
  )
  const ofUrl = { ...job, git_info: { ...job.git_info, repo_url: repoUrl } }
  return sourcesPlan(ofUrl, 'fetch', new Map(variables), noRunnerScripts, cloneUrl).git!
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

test.each([
  ['https://git.example.com/', 'https://git.example.com/group/project.git', ['https://git.example.com']],
  ['http://10.0.0.1:8080/gitlab', 'http://10.0.0.1:8080/gitlab/group/project.git', ['http://10.0.0.1:8080']],
])('with clone_url %s sources come from there, and its login is for both servers', (cloneUrl, url, origins) => {
  const named = 'https://gitlab-ci-token:secret@gitlab.invalid/group/project.git'
  const sources = git(named, { CI_SERVER_TLS_CA_FILE: 'PEM', GIT_SUBMODULE_FORCE_HTTPS: 'true' }, cloneUrl)
  expect(sources.repository).toMatchObject({ url, username: 'gitlab-ci-token', password: 'secret' })
  expect(sources.loginOrigins).toEqual([...origins, 'https://gitlab.invalid'])
  const { rewrites } = sources
  expect(rewrites.map(({ from }) => from)).toContain('git@gitlab.invalid:')
  expect(new Set(rewrites.map(({ to }) => to))).toEqual(new Set([url.replace('group/project.git', '')]))
  const helpers = settingOptions(sources).filter((option) => option.includes('.helper=!f'))
  expect(helpers).toHaveLength(2)
})

test.each([
  ['ssh://git.example.com:2222', 'ssh://git@git.example.com:2222/group/project.git'],
  ['ssh://me@git.example.com', 'ssh://me@git.example.com/group/project.git'],
  ['file:///srv/mirror', 'file:///srv/mirror/group/project.git'],
])('with clone_url %s sources come without a login', (cloneUrl, url) => {
  expect(git('https://u:p@gitlab.invalid/group/project.git', {}, cloneUrl).repository).toMatchObject({
    url,
    password: '',
  })
})

test('with clone_url a project without a path has that of its address', () => {
  const job = payload({ overrides: { job_info: { ...payload().job_info, project_full_path: '' } } })
  const info = { ...job.git_info, repo_url: 'https://u:p@gitlab.invalid/group/other.git' }
  const plan = (variables: readonly (readonly [string, string])[]) =>
    sourcesPlan(
      { ...job, git_info: info },
      'fetch',
      new Map(variables.map(([key, value]) => [key, { key, value, file: false, masked: false }])),
      noRunnerScripts,
      'https://git.example.com',
    ).git!.repository.url
  expect(plan([])).toBe('https://git.example.com/group/other.git')
  expect(plan([['CI_PROJECT_PATH', 'group/named']])).toBe('https://git.example.com/group/named.git')
})
