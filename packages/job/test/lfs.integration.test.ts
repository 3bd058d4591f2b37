import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasHttpBackend, hasLfs, lfsPointer, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobPayload } from '../src/job-payload.ts'
import { localShells } from './local-shells.ts'

const token = 'glcbt-64_token-of-the-job'
const [content, later, ofLibrary] = ['kept by LFS', 'kept by LFS later', 'kept for the library']

/** A directory with all programs but one. */
function pathWithoutLfs(directory: string, sh: string | undefined): string {
  mkdirSync(directory)
  if (sh !== undefined) symlinkSync(sh, join(directory, 'sh'))
  const programs = ['/usr/local/bin', '/usr/bin', '/bin'].flatMap((bin) =>
    readdirSync(bin).map((name) => join(bin, name)),
  )
  for (const program of programs) {
    const link = join(directory, basename(program))
    if (!program.endsWith('/git-lfs') && !existsSync(link)) symlinkSync(program, link)
  }
  return directory
}

describe.skipIf(!hasHttpBackend).each(localShells.filter((shell) => shell.busyboxOnly !== true))(
  'LFS in $name',
  (localShell) => {
    let environment: LocalEnvironment
    let project: TestRepository
    let server: Awaited<ReturnType<typeof serveGit>>
    let sha: string

    beforeEach(async () => {
      environment = new LocalEnvironment({ localShell })
      project = new TestRepository()
      server = await serveGit(project, token, { lfsObjects: [content, later, ofLibrary] })
      project.commit('.gitattributes', '*.bin filter=lfs diff=lfs merge=lfs -text\n')
      sha = project.commit('big.bin', lfsPointer(content))
    })
    afterEach(() => {
      server.close()
      environment[Symbol.dispose]()
      project[Symbol.dispose]()
    })

    const job = (
      commit: string,
      script: readonly string[],
      settings: Readonly<Record<string, string>> = {},
    ): JobPayload =>
      gitJob(`http://gitlab-ci-token:${token}@${server.host}/project.git`, commit, {
        script,
        variables: [
          variable('CI_JOB_TOKEN', token, { masked: true }),
          ...Object.entries(settings).map(([key, value]) => variable(key, value)),
        ],
      })

    describe.skipIf(!hasLfs)('with git-lfs (skipped where it is not installed)', () => {
      test('files are there, with the token, which is nowhere to be read; the work tree is clean', async () => {
        const { outcome, trace } = await run(
          environment,
          job(sha, ['cat big.bin; git status --short', 'git checkout -q HEAD~1; git checkout -q -; echo; cat big.bin']),
        )
        expect(outcome).toEqual({ state: 'success' })
        expect(trace).toContain(`git status --short\n${content}`)
        expect(trace).toContain(`\n\n${content}\nJob succeeded`)
        for (const file of readdirSync(environment.home, { recursive: true, withFileTypes: true }).filter((entry) =>
          entry.isFile(),
        ))
          expect(readFileSync(join(file.parentPath, file.name)).includes(token), file.name).toBe(false)
      })

      test('a machine that had another commit gets the files of this one, submodules included', async () => {
        await run(environment, job(sha, ['true']))
        const library = new TestRepository({ root: project.root, name: 'library' })
        library.commit('.gitattributes', '*.bin filter=lfs\n')
        project.link('library', '../library.git', library.commit('lib.bin', lfsPointer(ofLibrary)))
        const next = project.commit('big.bin', lfsPointer(later))
        const { outcome, trace } = await run(
          environment,
          job(next, ['cat big.bin library/lib.bin; git status --short'], { GIT_SUBMODULE_STRATEGY: 'normal' }),
        )
        expect(outcome).toEqual({ state: 'success' })
        expect(trace).toContain(`\n${later}${ofLibrary}\nJob succeeded`)
        const back = await run(environment, job(sha, ['cat big.bin; git status --short']))
        expect(back.trace).toContain(`\n${content}\nJob succeeded`)
      })

      test('pointers stay where nothing else is wanted; a file that is nowhere fails the sources', async () => {
        const skipped = await run(environment, job(sha, ['cat big.bin'], { GIT_LFS_SKIP_SMUDGE: '1' }))
        expect(skipped.trace).toContain('version https://git-lfs')
        const lost = await run(environment, job(project.commit('lost.bin', lfsPointer('nowhere')), ['true']))
        expect(lost.outcome).toMatchObject({ code: 'sources_failed' })
      })
    })

    test('without git-lfs pointers stay, and the trace says why', async () => {
      // Its package tells all of the machine's git of it.
      const env = { PATH: pathWithoutLfs(join(project.root, 'bin'), localShell.sh), GIT_CONFIG_NOSYSTEM: '1' }
      using bare = new LocalEnvironment({ localShell, env })
      const { outcome, trace } = await run(bare, job(sha, ['cat big.bin']))
      expect(outcome).toEqual({ state: 'success' })
      expect(trace).toContain('git-lfs was not found on the instance: LFS files are left as pointers\n')
      expect(trace).toContain('version https://git-lfs')
    })
  },
)
