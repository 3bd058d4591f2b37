// Keys of GitLab Runner's file, each in a file of its own: what a job notices of it. A key that is ignored fails here.
import { mkdtempSync, rmSync } from 'node:fs'
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
async function runWith(keys: string, spec: JobSpec, tables = ''): Promise<CoordinatorJob> {
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
