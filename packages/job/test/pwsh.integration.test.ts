// PowerShell is experimental: this runs where a `pwsh` is on the PATH, and says so in its name where there is none.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, run, runner, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { JobPlan } from '../src/plan/job-plan.ts'

const hasPwsh = spawnSync('pwsh', ['-Version']).status === 0

test('what gets the sources of a script for pwsh runs in the shell that git brings', () => {
  using repository = new TestRepository()
  const sha = repository.commit('file', 'from git')
  const home = mkdtempSync(join(tmpdir(), 'runner-core-pwsh-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const environment = {
    shell: 'pwsh',
    buildsDir: 'builds',
    concurrentId: 0,
    jobMarker: { name: 'MARK', value: '1' },
  } as const
  const generated = new JobPlan({ payload: gitJob(repository.url, sha), environmentVariables: [], runner, environment })
    .script('NONCE')
    .toString()
  const project = join(home, 'builds/tok123/0/group/project')
  mkdirSync(project, { recursive: true })
  const [, script] = /'run-sources'\) \(.*?\) '(\{ unset [\s\S]*?\nexit \$2\n\}\n)'/.exec(generated)!
  const { status, stdout } = spawnSync('git', ['-c', 'alias.run-sources=!sh', 'run-sources'], {
    cwd: project,
    input: script!.replaceAll("''", "'"),
    env: { ...process.env, rc_home: home },
    encoding: 'utf8',
  })
  expect(status, stdout).toBe(0)
  expect(readFileSync(join(project, 'file'), 'utf8')).toBe('from git')
})

describe.skipIf(!hasPwsh)(`a script in pwsh${hasPwsh ? '' : ' (not run: there is no pwsh on the PATH)'}`, () => {
  const environment = new LocalEnvironment({ localShell: { name: 'pwsh', shell: 'pwsh' } })
  afterAll(() => environment[Symbol.dispose]())

  test.each([
    [['Write-Output "one"', '[Console]::Error.WriteLine("two")'], undefined],
    [['exit 3', 'Write-Output "never"'], 3],
    [['sh -c "exit 4"', 'Write-Output "never"'], 4],
    [['throw "no"', 'Write-Output "never"'], 1],
    [['Get-Item /does/not/exist', 'Write-Output "never"'], 1],
    [['$rc_status = 0; [Environment]::Exit(5)'], 5],
  ])('%j ends as it must', async (script, exitCode) => {
    const { outcome, trace } = await run(environment, payload({ script }))
    expect(outcome, trace).toMatchObject(
      exitCode === undefined ? { state: 'success' } : { reason: 'script_failure', exitCode },
    )
    expect(trace).not.toContain('\nnever\n')
  })

  test('sees its variables both ways, files, what earlier steps left, and no secret of the machinery', async () => {
    const { outcome, trace } = await run(
      environment,
      payload({
        script: [
          '"<$GREETING>"',
          '"<$env:GREETING>"',
          'Get-Content $SECRET_FILE',
          'Add-Content $env:GITLAB_ENV "LEFT=it"',
          'Get-ChildItem env:',
        ],
        afterScript: ['"after $LEFT $CI_JOB_STATUS"'],
        variables: [
          variable('GREETING', `it's “so” $HOME \`n "x"`, { raw: true }),
          variable('SECRET_FILE', 'content', { file: true }),
        ],
      }),
      { createNonce: () => 'unguessable' },
    )
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace.split(`<it's “so” $HOME \`n "x">`)).toHaveLength(3)
    expect(trace).toContain('\ncontent\n')
    expect(trace).toContain('\nafter it success\n')
    expect(trace).not.toContain('unguessable')
  })

  test('has its sources', async () => {
    using repository = new TestRepository()
    const sha = repository.commit('file', 'from git')
    const { outcome, trace } = await run(environment, gitJob(repository.url, sha, { script: ['Get-Content file'] }))
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace).toContain('\nfrom git\n')
  })
})
