import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasHttpBackend, serveGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobPayload } from '../src/job-payload.ts'
import { localShells } from './local-shells.ts'

const token = 'glcbt-64_token-of-the-job'
const pem = (name: string): string => readFileSync(tlsFile(name), 'utf8')
const show = 'cat library/file || echo no library; cat library/nested/file || echo no nested'

/** Makes a repository that gives itself away wherever git looks into it. */
const evil = (directory: string): string[] => [
  `git init -q ${directory}; git -C ${directory} config core.fsmonitor 'echo planted-monitor >&2; :'`,
  `printf '#!/bin/sh\\necho planted-hook\\n' >${directory}/.git/hooks/post-checkout; chmod +x ${directory}/.git/hooks/post-checkout`,
]

describe.skipIf(!hasHttpBackend).each(localShells.filter((shell) => shell.busyboxOnly !== true))(
  'submodules in $name',
  (localShell) => {
    let environment: LocalEnvironment
    let project: TestRepository
    let library: TestRepository
    let nested: TestRepository
    let server: Awaited<ReturnType<typeof serveGit>>
    let linked: string

    beforeEach(async () => {
      environment = new LocalEnvironment({ localShell })
      project = new TestRepository()
      server = await serveGit(project, token)
      nested = new TestRepository({ root: project.root, name: 'nested' })
      library = new TestRepository({ root: project.root, name: 'library' })
      const innermost = nested.commit('file', 'of nested')
      library.link('nested', '../nested.git', innermost)
      // By its whole address, the login excepted, as people write it too.
      linked = project.link('library', `http://${server.host}/library.git`, library.commit('file', 'of library'))
    })
    afterEach(() => {
      server.close()
      environment[Symbol.dispose]()
      project[Symbol.dispose]()
    })

    const job = (
      sha: string,
      settings: Readonly<Record<string, string>>,
      script: readonly string[] = [show],
    ): JobPayload =>
      gitJob(`http://gitlab-ci-token:${token}@${server.host}/project.git`, sha, {
        script,
        variables: [
          variable('CI_JOB_TOKEN', token, { masked: true }),
          ...Object.entries(settings).map(([key, value]) => variable(key, value)),
        ],
      })

    test('come where they are asked for: none, the first level, all levels', async () => {
      const none = await run(environment, job(linked, {}))
      expect(none.trace).toContain('Skipping Git submodules setup\n')
      expect(none.trace).toContain('no library\n')
      const normal = await run(environment, job(linked, { GIT_SUBMODULE_STRATEGY: 'normal' }))
      expect(normal.outcome).toEqual({ state: 'success' })
      expect(normal.trace).toContain('Updating/initializing submodules with git depth set to 20...\n')
      expect(normal.trace).toMatch(/of librarycat: .*\nno nested\n/)
      const recursive = await run(
        environment,
        job(linked, { GIT_SUBMODULE_STRATEGY: 'recursive', GIT_SUBMODULE_DEPTH: '0' }),
      )
      expect(recursive.outcome).toEqual({ state: 'success' })
      expect(recursive.trace).toContain('Updating/initializing submodules recursively...\n')
      expect(recursive.trace).toContain('of libraryof nested')
      const unchecked = await run(environment, job(linked, { GIT_SUBMODULE_STRATEGY: 'normal', GIT_CHECKOUT: 'false' }))
      expect(unchecked.trace).toContain('Skipping Git submodules setup\n')
    })

    test('need the token, which is nowhere to be read; git works in them in the script too', async () => {
      const log = join(environment.home, 'git-trace')
      const { outcome, trace } = await run(
        environment,
        job(linked, { GIT_SUBMODULE_STRATEGY: 'recursive', GIT_TRACE: log }, [
          'git -C library/nested fetch --quiet origin main',
          'git submodule foreach --recursive git fetch --quiet',
          'git status --short',
          'env -u CI_JOB_TOKEN git -C library ls-remote origin || echo no token no access',
        ]),
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain('\nno token no access\n')
      expect(readFileSync(log, 'utf8')).toContain('library.git')
      for (const file of readdirSync(environment.home, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      ))
        expect(readFileSync(join(file.parentPath, file.name)).includes(token), file.name).toBe(false)
    })

    test('follow the commit on a machine that had another one, and run nothing that a job before planted', async () => {
      const settings = { GIT_SUBMODULE_STRATEGY: 'recursive' }
      const planted = await run(
        environment,
        job(linked, settings, [
          'mkdir -p .git/modules/library/hooks; printf "#!/bin/sh\\necho planted-hook\\n" >.git/modules/library/hooks/post-checkout; chmod +x .git/modules/library/hooks/post-checkout',
          'git -C library config core.fsmonitor "echo planted-monitor >&2; :"',
          'touch .git/modules/library/index.lock',
          'rm -rf library/nested; mkdir library/nested',
          ...evil('library/nested'),
          'echo changed >library/file',
        ]),
      )
      expect(planted.outcome, planted.trace).toEqual({ state: 'success' })
      const later = project.link('library', '../library.git', library.commit('file', 'of later library'))
      const again = await run(environment, job(later, settings, [show, 'git status --short']))
      expect(again.outcome, again.trace).toEqual({ state: 'success' })
      expect(again.trace).toContain('of later libraryof nested')
      await run(environment, job(later, {}, ['rm -rf library; mkdir library', ...evil('library')]))
      const none = await run(environment, job(later, {}, ['git status --short; ls -A library']))
      const back = await run(environment, job(linked, settings, [show, 'git status --short']))
      expect(back.trace).toContain('of libraryof nested')
      for (const { trace } of [again, none, back]) expect(trace).not.toContain('planted')
      expect(none.trace).toMatch(/ls -A library\nJob succeeded/)
    })

    test.each([
      [
        'another directory that has it all',
        [
          'mv .git/modules/library .git/objects/evil',
          'mkdir .git/modules/library',
          'echo "ref: refs/heads/main" >.git/modules/library/HEAD',
          'echo ../../objects/evil >.git/modules/library/commondir',
        ],
      ],
      [
        'the same behind a symbolic link',
        ['mv .git/modules/library .git/objects/evil', 'ln -s ../objects/evil .git/modules/library'],
      ],
      ['a repository of its own making', ['rm -rf .git/modules/library/refs .git/modules/library/objects']],
      [
        'a directory beside it with a line end in its name',
        [
          `mkdir -p "$(printf '.git/modules/x\\n.git/modules/library')"; cp -R .git/modules/library/* "$(printf '.git/modules/x\\n.git/modules/library')"`,
        ],
      ],
    ])('run nothing that a job before left in %s', async (_name, script) => {
      const settings = { GIT_SUBMODULE_STRATEGY: 'normal' }
      const plant = [
        'git -C library config core.fsmonitor "echo planted-monitor >&2; :"',
        'mkdir -p .git/modules/library/hooks; printf "#!/bin/sh\\necho planted-hook\\n" >.git/modules/library/hooks/post-checkout; chmod +x .git/modules/library/hooks/post-checkout',
      ]
      const planted = await run(environment, job(linked, settings, [...plant, ...script]))
      expect(planted.outcome, planted.trace).toEqual({ state: 'success' })
      const later = project.link('library', '../library.git', library.commit('file', 'of later library'))
      const { outcome, trace } = await run(
        environment,
        job(later, settings, ['cat library/file; git status --short; git -C library status --short']),
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain('\nof later library')
      expect(trace).not.toContain('planted')
    })

    test('are not fetched again where a job before had their commit, and only what is new where it had another; with other addresses too', async () => {
      const settings = { GIT_SUBMODULE_STRATEGY: 'recursive', GIT_SUBMODULE_FORCE_HTTPS: 'true' }
      const fetched = async (
        sha: string,
        options: Readonly<Record<string, string>> = {},
      ): Promise<{ trace: string; packs: string[] }> => {
        const log = join(environment.home, `git-trace-${sha}-${Object.keys(options).length}`)
        const { outcome, trace } = await run(
          environment,
          job(sha, { ...settings, ...options, GIT_TRACE_CURL: log, GIT_TRACE_CURL_NO_DATA: '1' }, [
            show,
            'git status --short; git -C library log --oneline',
          ]),
        )
        expect(outcome, trace).toEqual({ state: 'success' })
        const requests = readFileSync(log, 'utf8').matchAll(/POST (\S+)\/git-upload-pack/g)
        return { trace, packs: [...requests].map(([, path]) => path!) }
      }
      expect((await fetched(linked)).packs).toContain('/library.git')
      const byItsName = project.link('library', 'git@127.0.0.1:library.git', library.commit('other', 'newer'))
      const newer = await fetched(byItsName)
      expect(newer.trace).toContain('of libraryof nested')
      expect(newer.packs).toContain('/library.git')
      expect(newer.packs).not.toContain('/nested.git')
      const again = await fetched(project.commit('unrelated', 'change'))
      expect(again.trace).toContain('of libraryof nested')
      expect(again.packs).not.toContain('/library.git')
      expect(again.packs).not.toContain('/nested.git')
      // A script that gets them itself finds nothing that is half there.
      const byItself = await run(
        environment,
        job(linked, {}, [
          `git -c credential.helper='!f() { printf "username=gitlab-ci-token\\npassword=%s\\n" "$CI_JOB_TOKEN"; }; f' submodule update --quiet --init`,
          'cat library/file',
        ]),
      )
      expect(byItself.outcome, byItself.trace).toEqual({ state: 'success' })
      expect((await fetched(project.commit('unrelated', 'more'), { GIT_STRATEGY: 'clone' })).packs).toContain(
        '/library.git',
      )
    })

    test('of submodules run nothing that a job before planted, follow the commit, and are there whole for a script that gets them itself', async () => {
      const deepest = new TestRepository({ root: project.root, name: 'deepest' })
      const deep = nested.link('deep/est', '../deepest.git', deepest.commit('file', 'of deepest'))
      const sha = project.link('library', '../library.git', library.link('nested', '../nested.git', deep))
      const recursive = { GIT_SUBMODULE_STRATEGY: 'recursive' }
      const modules = '.git/modules/library/modules/nested'
      const plant = (directory: string): string =>
        `git -C ${directory} config core.fsmonitor "echo planted-monitor >&2; :"; printf "#!/bin/sh\\necho planted-hook\\n" >"$(git -C ${directory} rev-parse --absolute-git-dir)/hooks/post-checkout"; chmod +x "$(git -C ${directory} rev-parse --absolute-git-dir)/hooks/post-checkout"`
      const script = [
        'mkdir -p .git/modules/library/hooks .git/modules/library/modules/nested/hooks .git/modules/library/modules/nested/modules/deep/est/hooks',
        ...['library', 'library/nested', 'library/nested/deep/est'].map(plant),
        // One that nobody has, one that is none, one that leads elsewhere.
        `cp -R ${modules} .git/modules/library/modules/stranger; mkdir ${modules}/modules/half; touch ${modules}/modules/half/HEAD`,
        `mkdir .git/modules/library/modules/elsewhere; cp ${modules}/HEAD .git/modules/library/modules/elsewhere; ln -s ../../../../objects ../../../../refs .git/modules/library/modules/elsewhere`,
        'rm -rf library/nested/deep/est; mkdir library/nested/deep/est',
        ...evil('library/nested/deep/est'),
      ]
      const first = await run(environment, job(sha, recursive, ['cat library/nested/deep/est/file', ...script]))
      expect(first.outcome, first.trace).toEqual({ state: 'success' })
      expect(first.trace).toContain('\nof deepest')
      const newest = nested.link('deep/est', '../deepest.git', deepest.commit('file', 'newest'))
      const later = project.link('library', '../library.git', library.link('nested', '../nested.git', newest))
      const look = [
        'cat library/nested/deep/est/file',
        'git status --short',
        'git submodule foreach --recursive --quiet git status --short',
      ]
      const again = await run(
        environment,
        job(later, recursive, [
          ...look,
          'find .git/modules -name stranger -o -name half -o -name elsewhere -o -name rc-kept',
        ]),
      )
      expect(again.outcome, again.trace).toEqual({ state: 'success' })
      expect(again.trace).toMatch(/\nnewest\$/)
      expect(again.trace).not.toContain('planted')
      expect(again.trace).toMatch(/find .*\nJob succeeded/)

      // Of a part of them, and of the first level, nothing half is left.
      const itself = [
        `git -c credential.helper='!f() { printf "username=gitlab-ci-token\\npassword=%s\\n" "$CI_JOB_TOKEN"; }; f' submodule update --quiet --init --recursive`,
        ...look,
      ]
      for (const settings of [
        { GIT_SUBMODULE_STRATEGY: 'normal' },
        { ...recursive, GIT_SUBMODULE_PATHS: ':(exclude)library' },
      ]) {
        const { outcome, trace } = await run(environment, job(later, settings, itself))
        expect(outcome, trace).toEqual({ state: 'success' })
        expect(trace).toMatch(/\nnewest\$/)
        expect(trace).not.toContain('planted')
        await run(environment, job(later, recursive, script))
      }
    })

    test.each([
      ['HEAD', 'rm .git/modules/library/HEAD'],
      ['references', 'rm -rf .git/modules/library/refs'],
      ['anything else', 'rm -rf .git/modules/library/[!m]*'],
    ])('come where a job before left one, whose own are whole, without its %s', async (_name, script) => {
      const recursive = { GIT_SUBMODULE_STRATEGY: 'recursive' }
      const before = await run(
        environment,
        job(linked, recursive, [`${script}; ls .git/modules/library/modules/nested/HEAD`]),
      )
      expect(before.outcome, before.trace).toEqual({ state: 'success' })
      const { outcome, trace } = await run(environment, job(linked, recursive))
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain('of libraryof nested')
    })

    test.each([
      ['in place of one with an odd name', `'a b/"x'`, ''],
      ['in a work tree whose own one is gone', 'library', 'rm -rf .git'],
      [
        'in a work tree whose own one is gone, which cannot be listed',
        'library',
        `rm -rf .git; printf '#!/bin/sh\\nexit 2\\n' >~/.bin/ls; chmod +x ~/.bin/ls`,
      ],
    ])('are empty where a job before left a repository %s', async (_name, directory, more) => {
      const sha = project.link('a b/"x', '../nested.git', nested.commit('more', 'newest of nested'))
      const planted = await run(environment, job(sha, {}, [...evil(directory), 'touch untracked', more]))
      expect(planted.outcome, planted.trace).toEqual({ state: 'success' })
      const { outcome, trace } = await run(
        environment,
        job(sha, {}, ['git status --short', `find ${directory} untracked`]),
      )
      expect(outcome).toMatchObject({ reason: 'script_failure' })
      expect(trace).not.toContain('planted')
      expect(trace).toMatch(
        new RegExp(`status --short\n\\$ find .*\n${directory.replaceAll("'", '')}\nfind: .*untracked`),
      )
    })

    test('are only those of the paths asked for, as deep as asked for, with the flags asked for', async () => {
      project.link('a b/"x', '../nested.git', nested.commit('more', 'newest of nested'))
      nested.commit('file', 'newest')
      const plain = project.link('other', '../nested.git', nested.commit('file', 'other'))
      const settings = { GIT_STRATEGY: 'clone', GIT_SUBMODULE_STRATEGY: 'normal', GIT_SUBMODULE_DEPTH: '1' }
      const only = await run(
        environment,
        job(plain, { ...settings, GIT_SUBMODULE_PATHS: 'other' }, [
          'cat other/file; git -C other rev-list --count HEAD; ls -A library',
        ]),
      )
      expect(only.trace).toMatch(/\nother1\nJob succeeded/)
      const others = await run(
        environment,
        job(plain, { ...settings, GIT_SUBMODULE_PATHS: ':(exclude)other :(exclude)a*' }, [
          'ls -A other; cat library/file',
        ]),
      )
      expect(others.trace).toMatch(/library\/file\nof library/)
      library.commit('file', 'ahead')
      const ahead = await run(
        environment,
        job(plain, { ...settings, GIT_SUBMODULE_PATHS: 'library', GIT_SUBMODULE_UPDATE_FLAGS: '--remote --jobs 2' }),
      )
      expect(ahead.trace).toContain('\nahead')
      const odd = await run(
        environment,
        job(plain, { ...settings, GIT_SUBMODULE_DEPTH: 'deep', GIT_SUBMODULE_PATHS: 'library' }),
      )
      expect(odd.trace).toContain('WARNING: GIT_SUBMODULE_DEPTH: expected a number, got "deep"; 20 is used')
    })

    test('come by https where only the authorities of the coordinator’s own certificate are trusted, in the script too', async () => {
      const secure = await serveGit(project, token, { tls: { cert: pem('server.pem'), key: pem('server.key') } })
      const sha = project.link('library', '../library.git', library.commit('file', 'of secure library'))
      const secureJob: JobPayload = job(sha, { GIT_SUBMODULE_STRATEGY: 'recursive' }, [
        show,
        'git fetch --quiet origin main; git -C library/nested fetch --quiet origin main',
      ])
      const payload = {
        ...secureJob,
        git_info: { ...secureJob.git_info, repo_url: `https://gitlab-ci-token:${token}@${secure.host}/project.git` },
      }
      const untrusted = await run(environment, payload)
      const { outcome, trace } = await run(environment, payload, { serverCertificates: pem('ca.pem') })
      secure.close()
      expect(untrusted.outcome).toMatchObject({ code: 'sources_failed' })
      expect(untrusted.trace).toMatch(/certificate/)
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(trace).toContain('of secure libraryof nested')
    })

    test('with an ssh address come by http, with the token, where that is forced', async () => {
      const commit = library.commit('file', 'of ssh library')
      const settings = {
        GIT_SUBMODULE_STRATEGY: 'normal',
        GIT_SUBMODULE_FORCE_HTTPS: 'true',
        CI_SERVER_SHELL_SSH_PORT: '2222',
      }
      for (const address of [
        'git@127.0.0.1:library.git',
        'ssh://git@127.0.0.1/library.git',
        'ssh://git@127.0.0.1:2222/library.git',
      ]) {
        const sha = project.link('library', address, commit)
        const { outcome, trace } = await run(
          environment,
          job(sha, settings, ['cat library/file', 'git -C library fetch --quiet origin']),
        )
        expect(outcome, trace).toEqual({ state: 'success' })
        expect(trace).toContain('\nof ssh library')
      }
      const sha = project.link('library', 'git@127.0.0.1:library.git', commit)
      const bySsh = await run(
        environment,
        job(sha, { ...settings, GIT_STRATEGY: 'clone', GIT_SSH_COMMAND: 'false', GIT_SUBMODULE_FORCE_HTTPS: 'false' }),
      )
      expect(bySsh.outcome).toMatchObject({ code: 'sources_failed' })
    })
  },
)
