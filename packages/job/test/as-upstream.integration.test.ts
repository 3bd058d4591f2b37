// What jobs of GitLab Runner rely on, in real shells: which sources come, what is traced, and what they find there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localShells } from './local-shells.ts'

const pem = (name: string): string => readFileSync(tlsFile(name), 'utf8')

describe.skipIf(!hasHttpBackend).each(localShells.filter((shell) => shell.busyboxOnly !== true))(
  'a job in $name',
  (localShell) => {
    let environment: LocalEnvironment
    let repository: TestRepository
    let sha: string

    beforeAll(() => {
      environment = new LocalEnvironment({ localShell })
      repository = new TestRepository()
      sha = repository.commit('file', 'content')
    })
    afterAll(() => {
      environment[Symbol.dispose]()
      repository[Symbol.dispose]()
    })

    test('that asks for fetch reuses its work tree, also where the project says clone', async () => {
      const overrides = { allow_git_fetch: false }
      const variables = [variable('GIT_STRATEGY', 'fetch'), variable('GIT_CLEAN_FLAGS', 'none')]
      await run(environment, gitJob(repository.url, sha, { script: ['touch kept'], variables, overrides }))
      const again = await run(environment, gitJob(repository.url, sha, { script: ['ls'], variables, overrides }))
      expect(again.trace).toContain('\nkept\n')
      const byDefault = await run(environment, gitJob(repository.url, sha, { script: ['ls'], overrides }))
      expect(byDefault.trace).not.toContain('\nkept\n')
    })

    test('with CI_DEBUG_TRACE shows the commands of git too', async () => {
      const token = 'glcbt-64_secret-of-the-sources'
      const server = await serveGit(repository, token)
      const url = `http://gitlab-ci-token:${token}@${server.host}/project.git`
      const variables = [variable('CI_DEBUG_TRACE', 'true')]
      const { outcome, trace } = await run(environment, gitJob(url, sha, { variables }))
      const quiet = await run(environment, gitJob(url, sha))
      server.close()
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toMatch(/\n\++ git checkout -f -q [0-9a-f]{40}\n/)
      expect(quiet.trace).not.toContain('+ git')
    })

    test('works below the path of its repository where the server does not tell the one of its project', async () => {
      const job = gitJob(repository.url, sha, { script: ['pwd'] })
      const { trace } = await run(environment, { ...job, job_info: { ...job.job_info, project_full_path: '' } })
      const path = new URL(repository.url).pathname.replace(/\.git$/, '')
      expect(trace).toContain(`\n${environment.home}/builds/tok123/0${path}\n`)
    })

    test('knows the image that it asks for', async () => {
      const image = { name: 'ruby:$VERSION', alias: '', command: [], entrypoint: [] }
      const { trace } = await run(
        environment,
        payload({
          script: ['echo "<$CI_JOB_IMAGE>"'],
          variables: [variable('VERSION', '3')],
          overrides: { image: image as never },
        }),
      )
      expect(trace).toContain('\n<ruby:3>\n')
      const without = await run(environment, payload({ script: ['echo "<$' + '{CI_JOB_IMAGE-none}>"'] }))
      expect(without.trace).toContain('\n<none>\n')
    })

    test('shows the certificate of the manager to a server that wants one, in its script too', async () => {
      const tls = { cert: pem('server.pem'), key: pem('server.key'), ca: pem('ca.pem') }
      const server = await serveGit(repository, 'token', { tls: { ...tls, requestCert: true } })
      const job = gitJob(`https://gitlab-ci-token:token@${server.host}/project.git`, sha, {
        variables: [variable('CI_JOB_TOKEN', 'token')],
        script: [
          'cat file; git fetch --quiet origin main',
          'ls -1 "$CI_SERVER_TLS_CERT_FILE" "$CI_SERVER_TLS_KEY_FILE"',
        ],
      })
      const serverCertificates = tls.ca
      const clientCertificate = { certificate: pem('client.pem'), key: pem('client.key') }
      const refused = await run(environment, job, { serverCertificates })
      const { outcome, trace } = await run(environment, job, { serverCertificates, clientCertificate })
      server.close()
      expect(refused.outcome).toMatchObject({ code: 'sources_failed' })
      expect(outcome, trace).toEqual({ state: 'success' })
      const temporary = join(environment.home, 'builds/tok123/0/group/project.tmp')
      expect(trace).toContain(`${temporary}/CI_SERVER_TLS_CERT_FILE\n${temporary}/CI_SERVER_TLS_KEY_FILE\n`)
    })
  },
)
