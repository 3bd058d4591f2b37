import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasGit, hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JobPayload } from '../src/job-payload.ts'
import { noRunnerScripts } from '../src/runner-scripts.ts'
import { originFetch, writeSettings } from '../src/sources/git-settings.ts'
import { sourcesPlan } from '../src/sources/sources-plan.ts'
import { localShells } from './local-shells.ts'

describe.skipIf(!hasGit).each(localShells.filter((shell) => shell.busyboxOnly !== true))(
  'sources in $name',
  (localShell) => {
    let environment: LocalEnvironment
    let repository: TestRepository
    let first: string
    let second: string

    beforeAll(() => {
      environment = new LocalEnvironment({ localShell })
      repository = new TestRepository()
      first = repository.commit('file', 'first')
      second = repository.commit('file', 'second')
    })
    afterAll(() => {
      environment[Symbol.dispose]()
      repository[Symbol.dispose]()
    })

    test('are fetched into a new work tree, then into the same one again, in one command', async () => {
      const before = environment.runs + environment.kills
      const fresh = await run(
        environment,
        gitJob(repository.url, first, {
          script: ['cat file; git status --short; git rev-parse HEAD', 'touch untracked; echo changed >file'],
        }),
      )
      expect(fresh.outcome).toEqual({ state: 'success' })
      expect(environment.runs + environment.kills - before).toBe(1)
      expect(fresh.trace).toContain(
        `Getting source from Git repository\nFetching changes with git depth set to 20...\nCreated fresh repository.\nChecking out ${first.slice(0, 8)} as detached HEAD (ref is main)...\nSkipping Git submodules setup\nExecuting "step_script"`,
      )
      expect(fresh.trace).toContain(`\nfirst${first}\n`)
      const again = await run(environment, gitJob(repository.url, second, { script: ['cat file; ls'] }))
      expect(again.trace).toContain('\nRemoving untracked\n')
      expect(again.trace).not.toContain('fresh')
      expect(again.trace).toContain('\nsecondfile\n')
    })

    test('follow the settings', async () => {
      const settings = (settings: Readonly<Record<string, string>>) =>
        Object.entries(settings).map(([key, value]) => variable(key, value))
      await run(environment, gitJob(repository.url, second, { script: ['touch kept'] }))
      const kept = await run(
        environment,
        gitJob(repository.url, first, { script: ['ls; cat file'], variables: settings({ GIT_CLEAN_FLAGS: 'none' }) }),
      )
      expect(kept.trace).toContain('\nfile\nkept\nfirst')
      const unchecked = await run(
        environment,
        gitJob(repository.url, second, { script: ['ls; cat file'], variables: settings({ GIT_CHECKOUT: 'false' }) }),
      )
      expect(unchecked.trace).toContain('Skipping Git checkout\n')
      expect(unchecked.trace).toContain('\nfile\nkept\nfirst')
      const cloned = await run(
        environment,
        gitJob(repository.url, second, {
          script: ['ls', 'touch ../project/more'],
          variables: settings({ GIT_STRATEGY: 'clone' }),
        }),
      )
      expect(cloned.trace).toContain('\n$ ls\nfile\n$ touch')
      const odd = await run(
        environment,
        gitJob(repository.url, second, {
          variables: settings({ GIT_STRATEGY: 'sometimes' }),
          overrides: { allow_git_fetch: false },
        }),
      )
      expect(odd.trace).toContain(
        'WARNING: GIT_STRATEGY: expected none, empty, fetch or clone, got "sometimes"; clone is used',
      )
      expect(odd.trace).toContain('Created fresh repository.')
    })

    test('come with settings that git reads as they were meant, whatever is in them', () => {
      const directory = mkdtempSync(join(environment.home, 'settings-'))
      const { git } = sourcesPlan(gitJob(`http://user:word@host/`, first), 'fetch', new Map(), noRunnerScripts)
      const line = fc.string({
        unit: fc.oneof(
          fc.constantFrom('"', '\\', '#', ';', ' ', '\t', "'", '$', '\r', ']'),
          fc.string({ minLength: 1, maxLength: 1 }),
        ),
      })
      const text = fc.string({ unit: fc.oneof(line, fc.constant('\n')) })
      fc.assert(
        fc.property(text, text, line, line, (url, from, to, username) => {
          const repository = { ...git!.repository, username }
          const commands = writeSettings({ ...git!, repository, rewrites: [{ from, to }] }, '.', [
            { section: 'remote', subsection: 'origin', name: 'url', value: url },
            originFetch,
          ])
          writeFileSync(join(directory, 'config'), '')
          execFileSync(localShell.sh ?? '/bin/bash', ['-ec', commands.join('\n')], { cwd: directory })
          const list = execFileSync('git', ['config', '-z', '-f', join(directory, 'config'), '--list'], {
            encoding: 'utf8',
          })
          const [remote, fetch, noHelper, helper, rewrite] = list.split('\0')
          expect([remote, fetch, noHelper, rewrite]).toEqual([
            `remote.origin.url\n${url}`,
            'remote.origin.fetch\n+refs/heads/*:refs/remotes/origin/*',
            'credential.http://host.helper\n',
            `url.${to}.insteadof\n${from}`,
          ])
          const answer = execFileSync('/bin/sh', ['-c', `${helper!.slice(helper!.indexOf('!') + 1)} get`], {
            encoding: 'utf8',
            env: { CI_JOB_TOKEN: 'token' },
          })
          expect(answer).toBe(`username=${username}\npassword=token\n`)
        }),
        { numRuns: 60 },
      )
    })

    test('are as deep as asked for, and whole again when no depth is asked for', async () => {
      const count = { script: ['echo "commits: $(git rev-list --count HEAD)"'] }
      expect(
        (
          await run(
            environment,
            gitJob(repository.url, second, { ...count, variables: [variable('GIT_STRATEGY', 'clone')] }, { depth: 1 }),
          )
        ).trace,
      ).toContain('commits: 1\n')
      expect((await run(environment, gitJob(repository.url, second, count, { depth: 0 }))).trace).toContain(
        'commits: 2\n',
      )
    })

    test('run nothing that a job before planted, and get over what it left locked or broken', async () => {
      const planted = [
        'mkdir -p .git/hooks',
        `printf '#!/bin/sh\\necho planted-hook\\n' >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout`,
        'git config core.fsmonitor "echo planted-monitor; :"',
        'touch .git/index.lock .git/shallow.lock .git/refs/heads/x.lock .git/config.lock',
      ]
      await run(environment, gitJob(repository.url, second, { script: planted }))
      const { outcome, trace } = await run(
        environment,
        gitJob(repository.url, first, { script: ['git status --short'] }),
      )
      expect(outcome).toEqual({ state: 'success' })
      expect(trace).not.toContain('planted')
      await run(environment, gitJob(repository.url, second, { script: ['rm -rf .git; ln -s /nowhere .git'] }))
      expect((await run(environment, gitJob(repository.url, second))).outcome).toEqual({ state: 'success' })
    })

    test.each([
      [
        'another configuration',
        () => [
          'mkdir -p ../evil/hooks; cp .git/config ../evil/config; cp -R .git/objects .git/refs ../evil',
          `printf '#!/bin/sh\necho planted-hook\n' >../evil/hooks/post-checkout; chmod +x ../evil/hooks/post-checkout`,
          'git config -f ../evil/config core.fsmonitor "echo planted-monitor; :"',
          'echo ../../evil >.git/commondir',
        ],
      ],
      ['another commit', () => [`git replace ${first} ${second}`]],
      ['another commit, packed', () => [`git replace ${first} ${second}; git pack-refs --all`]],
      [
        'other line ends',
        () => [
          'echo "* text eol=crlf" >.git/info/attributes 2>/dev/null || { mkdir .git/info; echo "* text eol=crlf" >.git/info/attributes; }',
        ],
      ],
    ])('are those of the commit where a job before led git to %s', async (_name, planted) => {
      const whole = { depth: 0 }
      await run(environment, gitJob(repository.url, second, { script: planted() }, whole))
      const { outcome, trace } = await run(
        environment,
        gitJob(repository.url, first, { script: ['od -c file'] }, whole),
      )
      expect(outcome).toEqual({ state: 'success' })
      expect(trace).not.toContain('planted')
      expect(trace).toMatch(/ f {3}i {3}r {3}s {3}t\n/)
    })

    test.each<[string, string[]]>([
      ['an index in two files', ['git update-index --split-index', 'ls .git/sharedindex.*']],
      ...['HEAD', 'index', 'packed-refs', 'shallow', 'refs/heads/main'].map((name): [string, string[]] => [
        `a pipe in the place of ${name}`,
        [`rm -f .git/${name}; mkfifo .git/${name}`],
      ]),
      [
        'a link in the place of refs, locked',
        ['mv .git/refs ../refs; touch ../refs/heads/main.lock; ln -s ../../refs .git/refs'],
      ],
    ])('come where a job before left %s', async (_name, script) => {
      const before = await run(environment, gitJob(repository.url, first, { script }))
      expect(before.outcome, before.trace).toEqual({ state: 'success' })
      const { outcome, trace } = await run(
        environment,
        gitJob(repository.url, second, { script: ['cat file; git status --short; rm -rf ../refs'] }),
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain('\nsecond\nJob succeeded')
    })

    test('of a sha256 repository are fetched, and fetched again', async () => {
      using longer = new TestRepository({ objectFormat: 'sha256' })
      const [earlier, newest] = [longer.commit('file', 'earlier'), longer.commit('file', 'newest')]
      const info = { repo_object_format: 'sha256' }
      expect(earlier).toHaveLength(64)
      const script = ['cat file; git rev-parse HEAD']
      await run(environment, gitJob(repository.url, second))
      // A project that was made anew with another format, under its old name.
      const fresh = await run(environment, gitJob(longer.url, earlier, { script }, info))
      expect(fresh.trace).toContain('Created fresh repository.')
      expect(fresh.trace).toContain(`\nearlier${earlier}\n`)
      const again = await run(environment, gitJob(longer.url, newest, { script }, info))
      expect(again.trace).toContain(`\nnewest${newest}\n`)
      expect(again.trace).not.toContain('fresh')
      const back = await run(environment, gitJob(repository.url, second, { script: ['cat file'] }))
      expect(back.trace).toContain('\nsecond\nJob succeeded')
    })

    test('are the refs that GitLab names, fetched with the flags that the project names', async () => {
      const refspecs = [
        '+refs/heads/main:refs/remotes/origin/main',
        '+refs/heads/main:refs/pipelines/7',
        '+refs/tags/*:refs/tags/*',
      ]
      const refs = ["git for-each-ref --format='%(refname)'"]
      const clone = variable('GIT_STRATEGY', 'clone')
      const named = await run(
        environment,
        gitJob(repository.url, second, { script: refs, variables: [clone] }, { refspecs }),
      )
      expect(named.trace).toContain(`\nrefs/pipelines/7\nrefs/remotes/origin/main\nJob succeeded`)
      const stale = gitJob(repository.url, second, { script: ['git update-ref refs/remotes/origin/gone HEAD'] })
      const all = { refspecs: ['+refs/heads/*:refs/remotes/origin/*'] }
      await run(environment, stale)
      const unpruned = [variable('GIT_FETCH_EXTRA_FLAGS', '--no-tags --verbose')]
      const kept = await run(environment, gitJob(repository.url, second, { script: refs, variables: unpruned }, all))
      expect(kept.trace).toContain('refs/remotes/origin/gone\n')
      expect(kept.trace).toContain(' main       -> origin/main')
      const pruned = await run(environment, gitJob(repository.url, second, { script: refs }, all))
      expect(pruned.trace).not.toContain('refs/remotes/origin/gone\n')
    })

    test('are none in a directory that is empty each time, or as it was', async () => {
      const strategy = (name: string) => ({ variables: [variable('GIT_STRATEGY', name)] })
      const list = ['pwd; ls -A', 'touch left']
      await run(environment, gitJob(repository.url, second, { script: ['true'] }))
      for (let times = 0; times < 2; times++) {
        const empty = await run(environment, gitJob('', '', { script: list, ...strategy('empty') }))
        expect(empty.trace).toMatch(/\$ pwd; ls -A\n\S*\/group\/project-empty\n\$ touch left\nJob succeeded/)
      }
      await run(environment, gitJob('', '', { script: ['touch left'], ...strategy('none') }))
      const none = await run(environment, gitJob('', '', { script: ['ls'], ...strategy('none') }))
      expect(none.trace).toMatch(/\$ ls\nfile\nleft\nJob succeeded/)
    })

    test('begin anew at the second of several attempts', async () => {
      await run(
        environment,
        gitJob(repository.url, second, {
          script: ['echo nonsense >.git/HEAD; mkdir .git/objects/pack/x; rm -rf .git/objects; echo >.git/objects'],
        }),
      )
      const attempts = [variable('GET_SOURCES_ATTEMPTS', '2')]
      writeFileSync(join(environment.home, '.bin/sleep'), '#!/bin/sh\n', { mode: 0o755 })
      const { outcome } = await run(environment, gitJob(repository.url, second, { variables: attempts }))
      expect(outcome).toEqual({ state: 'success' })
      const gone = await run(environment, gitJob(`${repository.url}-gone`, second, { variables: attempts }))
      expect(gone.trace.match(/Fetching changes|Retrying in 5s/g)).toEqual([
        'Fetching changes',
        'Retrying in 5s',
        'Fetching changes',
      ])
      rmSync(join(environment.home, '.bin/sleep'))
    })

    test('come where the job wants them, in a directory of its own', async () => {
      const { outcome, trace } = await run(
        environment,
        gitJob(repository.url, second, {
          script: ['pwd; cat file; ls -d ../mine.tmp'],
          variables: [variable('GIT_CLONE_PATH', '$CI_BUILDS_DIR/$CI_CONCURRENT_ID/go/mine')],
        }),
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain(`\n${environment.home}/builds/0/go/mine\nsecond../mine.tmp\n`)
    })

    test('come with the hooks of the project', async () => {
      const hooks = [
        { name: 'pre_get_sources_script', script: ['echo before sources'] },
        { name: 'post_get_sources_script', script: ['echo after $(cat file)'] },
      ]
      const { trace } = await run(environment, gitJob(repository.url, first, { overrides: { hooks } }))
      expect(trace).toMatch(
        /\$ echo before sources\nbefore sources\n.*Fetching[\s\S]*\nafter first\nExecuting "step_script"/,
      )
    })

    test('that cannot be had are a system failure, told from the script’s', async () => {
      const { outcome, trace } = await run(
        environment,
        gitJob(`${repository.url}-gone`, first, { script: ['echo never'], afterScript: ['echo never'] }),
      )
      expect(outcome).toMatchObject({ reason: 'runner_system_failure', code: 'sources_failed' })
      expect(trace).toContain('does not appear to be a git repository')
      expect(trace).not.toContain('never')
      const noSuchCommit = await run(environment, gitJob(repository.url, 'f'.repeat(40)))
      expect(noSuchCommit.outcome).toMatchObject({ code: 'sources_failed' })
    })

    test('on a machine without git are a failure that says so', async () => {
      using bare = new LocalEnvironment({ localShell, env: { PATH: pathWithoutGit() } })
      const { outcome } = await run(bare, gitJob(repository.url, first))
      expect(outcome).toMatchObject({
        reason: 'runner_system_failure',
        code: 'git_missing',
        message: expect.stringContaining('git was not found'),
      })
      expect((await run(bare, payload())).outcome).toEqual({ state: 'success' })
    })

    describe.skipIf(!hasHttpBackend)('by http', () => {
      const token = 'glcbt-64_token-of-the-job'
      let server: Awaited<ReturnType<typeof serveGit>>
      beforeAll(async () => {
        server = await serveGit(repository, token)
      })
      afterAll(() => server.close())

      test('need the token, which is nowhere to be read', async () => {
        const log = join(environment.home, 'git-trace')
        const { outcome, trace } = await run(
          environment,
          gitJob(`http://gitlab-ci-token:${token}@${server.host}/project.git`, second, {
            // The project's own git commands work too, and ask for nothing.
            script: [
              'git fetch --quiet origin main',
              'git remote -v',
              'cat .git/config',
              'env -u CI_JOB_TOKEN git ls-remote origin || echo no token no access',
            ],
            variables: [
              variable('CI_JOB_TOKEN', token, { masked: true }),
              variable('GIT_TRACE', log),
              variable('GIT_STRATEGY', 'clone'),
            ],
          }),
        )
        expect(outcome).toEqual({ state: 'success' })
        expect(trace).toContain(`origin\thttp://${server.host}/project.git (fetch)\n`)
        expect(trace).toContain('\nno token no access\n')
        expect(trace).not.toContain(token)
        // What git started, with all arguments.
        const commands = readFileSync(log, 'utf8')
        expect(commands).toContain('remote-http')
        expect(commands).not.toContain(token)
        for (const file of readdirSync(environment.home, { recursive: true, withFileTypes: true }).filter((entry) =>
          entry.isFile(),
        )) {
          expect(readFileSync(join(file.parentPath, file.name)).includes(token), file.name).toBe(false)
        }
      })

      // Where git is older, as the one of most machines, it is done as without the setting.
      const gitDirectory = process.env['NATIVE_CLONE_GIT'] ?? ''
      const title = `are cloned by git itself where that is asked for and it can${gitDirectory === '' ? ' (fetched: NATIVE_CLONE_GIT names no directory of a git of 2.49 or later)' : ''}`
      test.each([
        ['main', 20],
        ['refs/heads/main', 1],
        ['', 0],
      ])(`${title}, ref %j, depth %d`, async (ref, depth) => {
        const log = join(environment.home, `clone-trace-${depth}`)
        const settings = {
          GIT_STRATEGY: 'clone',
          FF_USE_GIT_NATIVE_CLONE: 'true',
          GIT_CLONE_EXTRA_FLAGS: '--filter=blob:none',
          GIT_TRACE: log,
        }
        const job = (sha: string): JobPayload =>
          gitJob(
            `http://gitlab-ci-token:${token}@${server.host}/project.git`,
            sha,
            {
              script: [
                'cat file; git status --short',
                'git fetch --quiet origin main',
                `git config --get-all core.hooksPath || ls -A .git/hooks || echo no hooks`,
              ],
              variables: [
                variable('CI_JOB_TOKEN', token, { masked: true }),
                ...Object.entries(settings).map(([key, value]) => variable(key, value)),
              ],
            },
            { ref, depth },
          )
        using newer = new LocalEnvironment({
          localShell,
          env: { PATH: `${gitDirectory}:${environment.home}/.bin:${process.env['PATH']}` },
        })
        const { outcome, trace } = await run(newer, job(second))
        expect(outcome, trace).toEqual({ state: 'success' })
        expect(trace).toContain('\nsecond')
        expect(trace).toContain('\nno hooks\n')
        expect(trace.includes('Cloning repository')).toBe(gitDirectory !== '')
        expect(trace.includes('Fetching changes')).toBe(gitDirectory === '')
        expect(readFileSync(log, 'utf8')).not.toContain(token)
        // A commit that the ref has left behind; not within reach of depth 1.
        if (depth === 1) return
        const older = await run(newer, job(first))
        expect(older.outcome, older.trace).toEqual({ state: 'success' })
        expect(older.trace).toContain('\nfirst')
      })

      test('are whole at the second attempt after a connection that broke in the middle of a pack, and never half', async () => {
        writeFileSync(join(environment.home, '.bin/sleep'), '#!/bin/sh\n', { mode: 0o755 })
        const script = ['cat file; git fsck --full && touch untracked']
        const jobOf = (host: string, attempts: string): JobPayload =>
          gitJob(`http://gitlab-ci-token:${token}@${host}/project.git`, second, {
            script,
            variables: [variable('GIT_STRATEGY', 'clone'), variable('GET_SOURCES_ATTEMPTS', attempts)],
          })
        const once = await serveGit(repository, token, { tornPacks: 1 })
        const failed = await run(environment, jobOf(once.host, '1'))
        expect(failed.outcome).toMatchObject({ reason: 'runner_system_failure', code: 'sources_failed' })
        once.close()
        const twice = await serveGit(repository, token, { tornPacks: 2 })
        const { outcome, trace } = await run(environment, jobOf(twice.host, '3'))
        twice.close()
        expect(outcome).toEqual({ state: 'success' })
        expect(trace.match(/Fetching changes/g)).toHaveLength(3)
        expect(trace).toContain('\nsecond')
        rmSync(join(environment.home, '.bin/sleep'))
      })

      test('are refused with a wrong token, without a question', async () => {
        const { outcome, trace } = await run(
          environment,
          gitJob(`http://gitlab-ci-token:wrong@${server.host}/project.git`, second),
        )
        expect(outcome).toMatchObject({ reason: 'runner_system_failure', code: 'sources_failed' })
        expect(trace).toContain('Authentication failed')
      })
    })

    /** Everything of this machine's PATH but git. */
    function pathWithoutGit(): string {
      const directory = mkdtempSync(join(environment.home, 'bin-'))
      for (const program of ['bash', 'cat', 'mkdir', 'rm', 'grep', 'head', 'tr', 'sleep', 'uname']) {
        const found = process.env['PATH']!.split(':').find((entry) => readdirOrEmpty(entry).includes(program))
        if (found !== undefined) symlinkSync(join(found, program), join(directory, program))
      }
      symlinkSync(localShell.sh ?? '/bin/sh', join(directory, 'sh'))
      return directory
    }
  },
)

function readdirOrEmpty(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
