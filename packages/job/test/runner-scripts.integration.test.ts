// What the configuration adds to each job's scripts, in real shells.
import { join } from 'node:path'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noRunnerScripts } from '../src/runner-scripts.ts'
import { localShells } from './local-shells.ts'

describe.each(localShells)('a script of the runner in $name', (localShell) => {
  const environment = new LocalEnvironment({ localShell })
  afterAll(() => environment[Symbol.dispose]())

  test('runs around the lines of each step, in their shell, and not around after_script', async () => {
    const job = payload({ script: ['echo "$WRAPPER" in the step', 'later=set'], afterScript: ['echo "<$WRAPPER>"'] })
    const [script, after] = job.steps
    const { outcome, trace } = await run(
      environment,
      { ...job, steps: [script!, { ...script!, name: 'second', script: ['echo "$WRAPPER" again'] }, after!] },
      {
        runnerScripts: { ...noRunnerScripts, preBuild: 'WRAPPER=checked', postBuild: 'echo "later is $later"' },
      },
    )
    expect(outcome, trace).toEqual({ state: 'success' })
    const lines = trace.split('\n').filter((line) => /^(checked|later is|<)/.test(line))
    expect(lines).toEqual(['checked in the step', 'later is set', 'checked again', 'later is ', '<>'])
    expect(trace).toContain('\n$ WRAPPER=checked\n$ echo "$WRAPPER" in the step\n')
  })

  test('that fails before the lines keeps them from running, with its exit status', async () => {
    const { outcome, trace } = await run(environment, payload({ script: ['echo never'] }), {
      runnerScripts: { ...noRunnerScripts, preBuild: 'exit 41' },
    })
    expect(outcome).toMatchObject({ reason: 'script_failure', exitCode: 41 })
    expect(trace).not.toContain('never')
  })

  test('that fails after the lines fails the job', async () => {
    const { outcome } = await run(environment, payload({ script: ['true'] }), {
      runnerScripts: { ...noRunnerScripts, postBuild: 'echo collapsed\n(exit 42)' },
    })
    expect(outcome).toMatchObject({ reason: 'script_failure', exitCode: 42 })
  })

  test('of sources does not run where a job has none', async () => {
    const { outcome, trace } = await run(environment, payload(), {
      runnerScripts: { ...noRunnerScripts, preGetSources: 'echo before', postGetSources: 'echo after' },
    })
    expect(outcome).toEqual({ state: 'success' })
    expect(trace).not.toMatch(/before|after/)
  })
})

describe.skipIf(!hasGit).each(localShells.filter((shell) => shell.busyboxOnly !== true))(
  'a script of the runner around the sources, in $name',
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

    const hooks = [
      { name: 'pre_get_sources_script', script: ['echo "hook before in $(pwd)"'] },
      { name: 'post_get_sources_script', script: ['echo "hook after in $(pwd)"'] },
    ]

    test.each(['clone', 'fetch'])('runs outside of the hooks of the job, with %s', async (strategy) => {
      const { outcome, trace } = await run(
        environment,
        gitJob(repository.url, sha, {
          script: ['cat file made'],
          variables: [variable('GIT_STRATEGY', strategy)],
          overrides: { hooks },
        }),
        {
          runnerScripts: {
            ...noRunnerScripts,
            // Whatever it does to itself, the sources come to where they belong.
            preGetSources: 'echo "runner before in $(pwd)"\nset -- x y z; cd /',
            postGetSources: 'echo "runner after in $(pwd)"; echo made >made',
          },
        },
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      const project = join(environment.home, 'builds/tok123/0/group/project')
      expect(trace.split('\n').filter((line) => /^(runner|hook) /.test(line))).toEqual([
        `runner before in ${environment.home}`,
        'hook before in /',
        `hook after in ${project}`,
        `runner after in ${project}`,
      ])
      expect(trace).toContain('\ncontentmade\n')
    })

    test('runs in the login’s directory, and what it exports is there for git', async () => {
      const { outcome, trace } = await run(environment, gitJob(repository.url, sha, { overrides: { hooks } }), {
        runnerScripts: {
          ...noRunnerScripts,
          preGetSources: 'export GIT_TRACE=1; git config --global alias.known "rev-parse HEAD"',
          postGetSources: 'git known',
        },
      })
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain(`\nhook before in ${environment.home}\n`)
      expect(trace).toContain('trace: built-in: git fetch')
      expect(trace).toContain(`\n${sha}\n`)
    })

    test.each([
      ['before', 'preGetSources'],
      ['after', 'postGetSources'],
    ] as const)('that fails %s them keeps the job from running', async (_when, key) => {
      for (const line of ['exit 43', 'echo "unclosed', 'fi']) {
        const { outcome, trace } = await run(environment, gitJob(repository.url, sha, { script: ['echo never'] }), {
          runnerScripts: { ...noRunnerScripts, [key]: line },
        })
        expect(outcome, line).toMatchObject({ reason: 'runner_system_failure', code: 'sources_failed' })
        expect(trace).not.toContain('never')
      }
    })
  },
)
