import { execFileSync } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment, type LocalEnvironmentOptions } from '@runner-core/testkit/jobs/local-environment'
import { afterEach, expect, test } from 'vitest'
import { untrackedCommand } from '../src/files/machine-commands.ts'
import type { HelperPlace, JobPlace, ScriptEnd, ScriptRun } from '../src/job-environment.ts'

/** Says that it has two places, which are one, and tells which of them each script was for. */
class TwoPlaces extends LocalEnvironment {
  readonly helper: HelperPlace
  readonly ownsBuildsDir = true
  readonly places: (JobPlace | undefined)[] = []

  constructor(options: LocalEnvironmentOptions, helper: Partial<HelperPlace> = {}) {
    super(options)
    this.helper = { shell: 'sh', prepares: 'sources', opensFiles: false, ...helper }
  }

  override async run(run: ScriptRun): Promise<ScriptEnd> {
    this.places.push(run.place)
    return await super.run(run)
  }
}

const bash = { name: 'bash', shell: 'bash' } as const
const opened: Disposable[] = []
function open(helper?: Partial<HelperPlace>): TwoPlaces {
  const environment = new TwoPlaces({ localShell: bash }, helper)
  opened.push(environment)
  return environment
}
afterEach(() => {
  for (const each of opened.splice(0)) each[Symbol.dispose]()
})

test('a job without sources needs no helper, unless all is prepared there', async () => {
  const one = open()
  await expect(run(one, payload())).resolves.toMatchObject({ outcome: { state: 'success' } })
  expect(one.places).toEqual([undefined])
  const two = open({ prepares: 'everything' })
  const job = payload({ script: ['pwd', 'cat "$F"'], variables: [variable('F', 'content', { file: true })] })
  const { outcome, trace } = await run(two, job)
  expect(outcome).toEqual({ state: 'success' })
  expect(trace).toContain('/builds/group/project\n')
  expect(trace).toContain('content')
  expect(two.places).toEqual(['helper', undefined])
})

test.skipIf(!hasGit)('sources are got in the helper, and the clean-up of a stopped job is done there', async () => {
  using repository = new TestRepository()
  const sha = repository.commit('file', 'text')
  const environment = open()
  const abort = new AbortController()
  const variables = [variable('F', 'content', { file: true })]
  const { trace } = await run(
    environment,
    gitJob(repository.url, sha, { script: ['cat file', 'sleep 60'], variables }),
    {
      canceling: abort.signal,
      onOutput: (text) => {
        if (text.includes('sleep 60')) abort.abort()
      },
    },
  )
  expect(trace).toContain('\ntext')
  expect(environment.places).toEqual(['helper', undefined, 'helper'])
})

test.skipIf(!hasGit)('what a helper makes for another user is open to all', async () => {
  using repository = new TestRepository()
  const sha = repository.commit('file', 'text')
  const environment = open({ opensFiles: true })
  const variables = [variable('F', 'content', { file: true })]
  const script = ['stat -c %a . file "$F" "$(dirname "$F")"']
  const { trace } = await run(environment, gitJob(repository.url, sha, { script, variables }))
  expect(trace).toContain('\n777\n666\n666\n777\n')
  expect(statSync(join(environment.home, 'builds/group/project')).mode & 0o777).toBe(0o777)
})

test('files of variables can be read by all users of a container, and be written by their own', async () => {
  const environment = open({})
  const variables = [variable('F', 'content', { file: true })]
  const script = ['umask 077', 'stat -c %a "$F" "$(dirname "$F")"']
  const { trace } = await run(environment, payload({ script, variables }))
  expect(trace).toContain('\n644\n755\n')
})

test('directories that a job without a helper makes are open to the next one, of whatever user; its own files only to be read', async () => {
  const environment = open({ opensFiles: true })
  const variables = [variable('F', 'content', { file: true })]
  const script = ['umask', 'stat -c %a .. . "$F" "$(dirname "$F")"']
  const { outcome, trace } = await run(environment, payload({ script, variables }))
  expect(outcome).toEqual({ state: 'success' })
  expect(environment.places).toEqual([undefined])
  expect(trace).toContain('\n0022\n')
  expect(trace).toContain('\n777\n777\n644\n777\n')
})

test.skipIf(!hasGit || process.getuid?.() !== 0)(
  'a helper gets sources, and finds untracked files, where directories belong to another user',
  async () => {
    using repository = new TestRepository()
    const sha = repository.commit('file', 'text')
    const environment = open({ opensFiles: true })
    const script = ['cat file; echo x >untracked']
    const theirs = (): void => void execFileSync('chown', ['-R', '65534', join(environment.home, 'builds')])
    await run(environment, gitJob(repository.url, sha, { script }))
    theirs()
    const { outcome, trace } = await run(environment, gitJob(repository.url, sha, { script }))
    expect(trace).toContain('Removing untracked')
    expect(outcome).toEqual({ state: 'success' })
    theirs()
    const found: Buffer[] = []
    const end = await environment.transfer({
      command: untrackedCommand(join(environment.home, 'builds/group/project')),
      stdout: (chunk) => void found.push(chunk),
      stderr: (chunk) => void found.push(chunk),
      signal: new AbortController().signal,
    })
    expect({ end, text: Buffer.concat(found).toString() }).toEqual({ end: { exitCode: 0 }, text: 'untracked\0' })
  },
)

test('what a helper unpacks for another user is open to all', async () => {
  const environment = open({ prepares: 'everything', opensFiles: true })
  const cache = [{ key: 'k', paths: ['kept', 'run', 'd'], policy: '', when: '', fallback_keys: [], untracked: false }]
  const make = ['echo x >kept; cp kept run; mkdir d; cp kept d/e', 'chmod 600 kept d/e; chmod 700 run d']
  await run(environment, payload({ script: make, overrides: { cache } }))
  rmSync(join(environment.home, 'builds/group/project'), { recursive: true })
  const { outcome, trace } = await run(
    environment,
    payload({ script: ['stat -c %a kept run d d/e'], overrides: { cache } }),
  )
  expect(outcome, trace).toEqual({ state: 'success' })
  expect(trace).toContain('\n666\n777\n777\n666\n')
})
