import { payload, runner, variable } from '@runner-core/testkit/jobs/job-fixture'
import { expect, test } from 'vitest'
import type { ClonePaths } from '../build-paths.ts'
import type { ShellName } from '../job-environment.ts'
import type { JobPayload, JobVariable } from '../job-payload.ts'
import { JobPlan } from './job-plan.ts'

const environment = {
  shell: 'bash' as ShellName,
  buildsDir: '/builds',
  concurrentId: 3,
  jobMarker: { name: 'RUNNER_CORE_JOB', value: 'abc' },
}
const plan = (job: JobPayload, place: Partial<typeof environment> = {}): JobPlan =>
  new JobPlan({ payload: job, environmentVariables: [], runner, environment: { ...environment, ...place } })
const choosing = (path: string, clonePaths: ClonePaths): JobPlan =>
  new JobPlan({
    payload: withVariables(variable('GIT_CLONE_PATH', path)),
    environmentVariables: [],
    runner,
    environment,
    clonePaths,
  })
const withVariables = (...variables: JobVariable[]): JobPayload => payload({ variables })

test('time limits are Go durations; what is none is said and ignored', () => {
  const limits = ({ scriptTimeoutMs, afterScriptTimeoutMs, warnings }: JobPlan) => ({
    scriptTimeoutMs,
    afterScriptTimeoutMs,
    warnings,
  })
  expect(limits(plan(payload()))).toEqual({ scriptTimeoutMs: undefined, afterScriptTimeoutMs: 300_000, warnings: [] })
  expect(
    limits(
      plan(withVariables(variable('RUNNER_SCRIPT_TIMEOUT', '1h30m'), variable('RUNNER_AFTER_SCRIPT_TIMEOUT', '0'))),
    ),
  ).toEqual({
    scriptTimeoutMs: 5_400_000,
    afterScriptTimeoutMs: undefined,
    warnings: [],
  })
  expect(
    limits(
      plan(withVariables(variable('RUNNER_SCRIPT_TIMEOUT', 'soon'), variable('RUNNER_AFTER_SCRIPT_TIMEOUT', '5'))),
    ),
  ).toMatchObject({
    scriptTimeoutMs: undefined,
    afterScriptTimeoutMs: 300_000,
    warnings: [
      'RUNNER_SCRIPT_TIMEOUT: expected a duration such as 1h30m, got "soon"; ignored',
      'RUNNER_AFTER_SCRIPT_TIMEOUT: expected a duration such as 1h30m, got "5"; ignored',
    ],
  })
})

test.each([
  ['a shell without scripts', payload(), { shell: 'fish' as ShellName }, 'unsupported_shell'],
  [
    'a path that leads elsewhere',
    payload({ overrides: { job_info: { ...payload().job_info, project_full_path: 'group/../../etc' } } }),
    {},
    'invalid_job',
  ],
  [
    'submodules of another kind',
    withVariables(variable('GIT_STRATEGY', 'fetch'), variable('GIT_SUBMODULE_STRATEGY', 'some')),
    {},
    'invalid_job',
  ],
  [
    'variables that grow without end',
    withVariables(
      ...Array.from({ length: 3 }, (_, n) => variable(`V${n}`, `$V${n + 1}`.repeat(50_000))),
      variable('V3', 'x'.repeat(1000)),
    ),
    {},
    'limit_exceeded',
  ],
  [
    'masked variables that are small enough each, and far too much together',
    withVariables(
      ...Array.from({ length: 100 }, (_, n) => variable(`V${n}`, `${n}$A`, { masked: true })),
      variable('A', 'x'.repeat(6000)),
    ),
    {},
    'limit_exceeded',
  ],
  [
    'variables that are small enough each, and far too much together',
    withVariables(
      ...Array.from({ length: 320 }, (_, n) => variable(`V${n}`, '$A'.repeat(80))),
      variable('A', 'x'.repeat(200_000)),
    ),
    {},
    'limit_exceeded',
  ],
])('%s is refused with a reason', (_, job, place, code) => {
  expect(() => plan(job, place)).toThrow(expect.objectContaining({ code, reason: 'runner_configuration_error' }))
})

test.each([
  '/x',
  '$CI_BUILDS_DIR',
  '$CI_BUILDS_DIR/x',
  '$CI_BUILDS_DIR/4/x',
  '$CI_BUILDS_DIR/3',
  '$CI_BUILDS_DIR/3/../4/x',
  '$CI_BUILDS_DIR/other/3/x',
  '/builds3/3/x',
  'x',
])('a job may not choose a directory that another job may have: %s', (path) => {
  expect(() => plan(withVariables(variable('GIT_CLONE_PATH', path)))).toThrow(
    expect.objectContaining({
      code: 'invalid_job',
      reason: 'runner_configuration_error',
      message: expect.stringContaining('$CI_BUILDS_DIR/$CI_CONCURRENT_ID/'),
    }),
  )
})

test.each([
  ['/builds', '$CI_BUILDS_DIR/$CI_CONCURRENT_ID/go/src/$NAME/', '/builds/3/go/src/mine', `'/builds/3/go/src/mine'`],
  [
    'builds',
    '$CI_BUILDS_DIR/$CI_RUNNER_SHORT_TOKEN/$CI_CONCURRENT_ID/mine',
    '/home/ci/builds/tok123/3/mine',
    `"$1"'/builds/tok123/3/mine'`,
  ],
  [
    'builds',
    '$CI_PROJECT_DIR/below',
    '/home/ci/builds/tok123/3/group/project/below',
    `"$1"'/builds/tok123/3/group/project/below'`,
  ],
])('a job in %s may choose its directory: %s', (buildsDir, path, projectDir, word) => {
  const chosen = plan(
    withVariables(
      variable('GIT_CLONE_PATH', path),
      variable('NAME', 'mine'),
      variable('M', '$CI_PROJECT_DIR', { masked: true }),
    ),
    { buildsDir },
  )
  expect(chosen.maskedValues('/home/ci')).toEqual([projectDir])
  expect(chosen.script('n').toString()).toContain(`if cd ${word} 2>/dev/null && [ -d ${word.slice(0, -1)}.tmp' ]`)
})

test('a job may choose any directory in builds_dir where the runner allows it, and no other', () => {
  expect(choosing('$CI_BUILDS_DIR/go/src/x', 'any').projectDir).toBe('/builds/go/src/x')
  for (const path of ['$CI_BUILDS_DIR', '/etc/x', '$CI_BUILDS_DIR/../x', '$CI_BUILDS_DIR/.detached/x', '/buildsx/y'])
    expect(() => choosing(path, 'any'), path).toThrow('GIT_CLONE_PATH: expected a path in $CI_BUILDS_DIR/, got ')
})

test('a job may choose no directory where the runner forbids it', () => {
  expect(() => choosing('$CI_BUILDS_DIR/$CI_CONCURRENT_ID/x', 'none')).toThrow(
    expect.objectContaining({
      code: 'invalid_job',
      message:
        'GIT_CLONE_PATH: expected no such variable, since custom_build_dir of the runner is not enabled, got "/builds/3/x"',
    }),
  )
})

test('sources that git could misread are refused, all problems at once', () => {
  const job = payload({ variables: [variable('GIT_STRATEGY', 'fetch')] })
  const sources = (info: Partial<JobPayload['git_info']>) => () =>
    plan({ ...job, git_info: { ...job.git_info, ...info } })
  expect(sources({})).not.toThrow()
  expect(
    sources({ repo_url: '--upload-pack=x', sha: 'HEAD; id', refspecs: ['--upload-pack=x', '+refs/heads/main:refs/x'] }),
  ).toThrow(
    expect.objectContaining({
      code: 'invalid_job',
      message:
        'the job\'s sources cannot be fetched: git_info.repo_url: expected an http, https, file, ssh or git URL, got "--upload-pack=x"; git_info.sha: expected 40 to 64 hexadecimal digits, got "HEAD; id"; git_info.refspecs: expected a refspec, got "--upload-pack=x"',
    }),
  )
})

test('commands are shown as the shell runs them where the job asks and the runner lets it, and the trace says what that means, or that it is not so', () => {
  const job = withVariables(variable('CI_DEBUG_TRACE', '1'))
  const refused = new JobPlan({ payload: job, environmentVariables: [], runner, environment, allowsDebugTrace: false })
  expect([plan(job), refused, plan(payload())].map((each) => each.script('n').toString().includes('; set -x'))).toEqual(
    [true, false, false],
  )
  expect(plan(job).warnings).toEqual([expect.stringContaining('CI_DEBUG_TRACE is on')])
  expect(refused.warnings).toEqual([expect.stringContaining('CI_DEBUG_TRACE is ignored')])
  expect(plan(payload()).warnings).toEqual([])
})

test('masked values are known as the machine will have them', () => {
  const job = withVariables(variable('SECRET', 'key of $CI_PROJECT_DIR', { masked: true }), variable('OTHER', 'x'))
  expect(plan(job, { buildsDir: 'builds' }).maskedValues('/home/ci')).toEqual([
    'key of /home/ci/builds/tok123/3/group/project',
  ])
})

test('each script of a job has its word, the last one cleans up', () => {
  const job = payload({ afterScript: ['true'], variables: [variable('F', 'x', { file: true })] })
  const [main, after, cleanUp] = [
    plan(job).script('one'),
    plan(job).afterScript('two', 'failed'),
    plan(job).cleanUp('three'),
  ].map(String)
  const removes = `rm -rf '/builds/tok123/3/group/project.tmp'; fi\nexec 2>/dev/null\nrc_stat`
  expect(main).toContain('\\036one end %s')
  expect(main).not.toContain(removes)
  expect(after).toContain('\\036two begin after_script')
  expect(after).toContain(`CI_JOB_STATUS='failed'`)
  expect(after).toContain(removes)
  expect(cleanUp).toContain(removes)
  expect(plan(payload()).hasAfterScript).toBe(false)
  expect(plan(payload({ afterScript: ['  '] })).hasAfterScript).toBe(false)
})
