// Keys of GitLab Runner's file, each in a file of its own: what a job notices of it. A key that is ignored fails here.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@runner-core/fleeting'
import { parseConfig, Runner } from '@runner-core/runner'
import { Coordinator, type CoordinatorJob, type JobSpec } from '@runner-core/runner/testing'
import { hasGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'

if (!hasGit) console.warn('SKIPPED: keys of GitLab Runner: git is not installed')

let repository: TestRepository
let sha: string
let coordinator: Coordinator
let folder: string
let runner: Runner | undefined

beforeAll(() => {
  if (!hasGit) return
  repository = new TestRepository()
  sha = repository.commit('file', 'content')
})
afterAll(() => repository?.[Symbol.dispose]())

beforeEach(async () => {
  coordinator = await Coordinator.start()
  folder = mkdtempSync(join(tmpdir(), 'runner-core-keys-'))
})

afterEach(async () => {
  await runner?.stop('fast')
  runner = undefined
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs one job with lines in the file's `[[runners]]`, and tables below it. */
async function runWith(keys: string, spec: JobSpec, tables = '', autoscaler = ''): Promise<CoordinatorJob> {
  const { settings } = parseConfig(`check_interval = 0.2
[[runners]]
name = "keys"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
${keys}
[runners.autoscaler]
plugin = "local"
max_instances = 1
plugin_config = { root_dir = "${join(folder, 'instances')}" }
${autoscaler}
${tables}`)
  runner = await Runner.start({ settings, logger: silentLogger })
  const job = coordinator.enqueue(spec)
  await job.finished
  return job
}

const sources = (): NonNullable<JobSpec['git']> => ({ repoUrl: repository.url, ref: 'main', sha })

/** What scripts print of themselves, without what is echoed of them. */
const said = (job: CoordinatorJob): readonly string[] =>
  job.trace
    .text()
    .split('\n')
    .filter((line) => line.startsWith('says '))

test.skipIf(!hasGit)('the four scripts of a runner run around the sources and the lines of a job', async () => {
  const job = await runWith(
    `pre_get_sources_script = "echo says before sources; ls -d builds"
post_get_sources_script = "echo says after sources: $(cat file)"
pre_build_script = "WRAPPER=checked"
post_build_script = "echo says at the end"`,
    { script: ['echo says in the job: $WRAPPER'], git: sources() },
  )
  expect(job.state, job.trace.text()).toBe('success')
  expect(said(job)).toEqual([
    'says before sources',
    'says after sources: content',
    'says in the job: checked',
    'says at the end',
  ])
  expect(job.trace.text()).toContain('\nbuilds\n')
})

test('environment sets variables of all jobs, which a job may set otherwise', async () => {
  const job = await runWith('environment = ["MINE=of the runner", "YOURS=of the runner"]', {
    script: ['echo says $MINE, $YOURS'],
    variables: [{ key: 'YOURS', value: 'of the job' }],
  })
  expect(said(job)).toEqual(['says of the runner, of the job'])
})

test.skipIf(!hasGit)('clone_url is where sources come from', async () => {
  const mirror = join(folder, 'mirror')
  mkdirSync(join(mirror, 'group'), { recursive: true })
  symlinkSync(new URL(repository.url).pathname, join(mirror, 'group/project.git'))
  const job = await runWith(`clone_url = "file://${mirror}/"`, {
    script: ['echo says $(cat file)', 'echo says $(git remote get-url origin)'],
    git: { ...sources(), repoUrl: 'https://gitlab.invalid/group/project.git' },
  })
  expect(job.state, job.trace.text()).toBe('success')
  expect(said(job)).toEqual(['says content', `says file://${mirror}/group/project.git`])
})

test('feature_flags turns a flag on or off, whatever a job says of it', async () => {
  const job = await runWith(
    '',
    {
      script: ['echo says $FF_SCRIPT_SECTIONS\ntrue'],
      variables: [{ key: 'FF_SCRIPT_SECTIONS', value: 'false' }],
    },
    '[runners.feature_flags]\nFF_SCRIPT_SECTIONS = true',
  )
  expect(said(job)).toEqual(['says true'])
  expect(job.trace.text()).toContain('section_script_step_0[hide_duration=true,collapsed=true]')
})

test('prepare_timeout ends a job that waits for its slot', async () => {
  const job = await runWith(
    'prepare_timeout = "300ms"',
    { script: ['true'] },
    '',
    'instance_ready_command = "sleep 300"',
  )
  expect([job.state, job.failureReason]).toEqual(['failed', 'job_execution_timeout'])
  expect(job.trace.text()).toContain('execution took longer than 300ms (prepare_timeout)')
})

test.skipIf(!hasGit)('prepare_timeout and get_sources_timeout do not count what comes after', async () => {
  const job = await runWith('prepare_timeout = "1m"\nget_sources_timeout = "1s"', {
    script: ['sleep 1.1', 'echo says enough'],
    git: sources(),
  })
  expect(said(job), job.trace.text()).toEqual(['says enough'])
})

test.skipIf(!hasGit)('get_sources_timeout ends a job whose sources take too long', async () => {
  const job = await runWith('get_sources_timeout = "300ms"\npre_get_sources_script = "sleep 300"', {
    script: ['echo says never'],
    afterScript: ['echo says never'],
    git: sources(),
  })
  expect([job.state, job.failureReason]).toEqual(['failed', 'job_execution_timeout'])
  expect(job.trace.text()).toContain('execution took longer than 300ms (get_sources_timeout)')
  expect(said(job)).toEqual([])
})

test.skipIf(!hasGit).each([
  [true, 'success', ['says /builds/go/src/x content']],
  [false, 'failed', []],
])(
  'custom_build_dir with enabled = %s decides whether a job may choose any directory',
  async (enabled, state, lines) => {
    const job = await runWith(
      '',
      {
        script: ['echo says ${PWD#"$(cd ~; pwd)"} $(cat file)'],
        variables: [{ key: 'GIT_CLONE_PATH', value: '$CI_BUILDS_DIR/go/src/x' }],
        git: sources(),
      },
      `[runners.custom_build_dir]\nenabled = ${enabled}`,
    )
    expect(job.state, job.trace.text()).toBe(state)
    expect(said(job)).toEqual(lines)
    if (!enabled) expect(job.trace.text()).toContain('custom_build_dir of the runner is not enabled')
  },
)

test.each([
  ['has times in its log', '', true],
  ['has none where feature_flags turns them off', '[runners.feature_flags]\nFF_TIMESTAMPS = false', false],
])('a job that says nothing of it %s', async (_what, tables, has) => {
  const job = await runWith('', { script: ['echo says hello'], timestamps: true }, tables)
  expect(job.trace.text()).toMatch(has ? /\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 01O says hello\n/ : /\nsays hello\n/)
})
