import type { JobSpec, VariableSpec } from '@runner-core/runner/testing'
import type { Payload } from './payload.ts'
import { before, setting } from './script-payloads.ts'

/** Repositories on a git server that wants a token. */
export interface PayloadSources {
  /** What git says in place of a password. */
  readonly token: string
  /** With three commits: `.gitignore`, with `ignored`; `file`, which is `first`, then `second`. */
  readonly project: Repository
  /** Links `library`, which links `nested` and `other`; both have a `file`. */
  readonly withModules: Repository
  /** `big.bin` is kept by LFS: `kept by LFS`. */
  readonly withLfs: Repository
  /** In the format sha256. */
  readonly sha256: Repository
  /** The first time its commits are asked for, the answer breaks off. */
  readonly torn: Repository
}

export interface Repository {
  readonly url: string
  readonly sha: string
}

const success = { state: 'success' } as const
const main = '+refs/heads/main:refs/remotes/origin/main'

/** How a job comes by its sources. They follow one another in the same directory of the same machine. */
export function sourcePayloads(sources: PayloadSources): readonly Payload[] {
  const { project, withModules, withLfs, sha256, torn, token } = sources
  const from = (
    { url, sha }: Repository,
    script: readonly string[],
    settings: Readonly<Record<string, string>> = {},
    git: Partial<JobSpec['git']> = {},
  ): Pick<JobSpec, 'script' | 'git' | 'variables'> => {
    const login: VariableSpec = { key: 'CI_JOB_TOKEN', value: token, masked: true }
    return {
      script,
      variables: [login, ...Object.entries(settings).map(([key, value]) => setting(key, value))],
      git: { repoUrl: url.replace('//', `//gitlab-ci-token:${token}@`), ref: 'main', sha, ...git },
    }
  }
  const checkedOut = (sha: string): string => `Checking out ${sha.slice(0, 8)} as detached HEAD (ref is main)...`
  return [
    {
      name: 'clone with a depth',
      job: from(
        project,
        [
          'cat file; git rev-list --count HEAD; git rev-parse HEAD; git status --short',
          '! grep -rlF "$CI_JOB_TOKEN" . || exit 1; git fetch -q origin main && echo "fetched "again',
          // For the next one, which must not find them.
          'echo planted >untracked; echo planted >ignored; mkdir -p .git/hooks; printf "#!/bin/sh\\necho pw""ned\\n" >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout',
          'git config core.fsmonitor "echo pw""ned"; : >.git/index.lock; : >.git/shallow.lock; echo changed >file',
        ],
        { GIT_STRATEGY: 'clone' },
        { depth: 1 },
      ),
      expected: {
        ...success,
        lines: [checkedOut(project.sha), 'second', '1', project.sha, 'fetched again'],
        lacks: [token],
      },
    },
    {
      name: 'fetch into what a job before left',
      job: from(
        project,
        ['cat file; ls -A; git rev-list --count HEAD', 'echo "of the job before" >kept'],
        {},
        { depth: 0 },
      ),
      expected: {
        ...success,
        lines: ['Fetching changes...', checkedOut(project.sha), 'second', '.git', '.gitignore', 'file', '3'],
        lacks: ['pwned', 'planted', 'Created fresh repository'],
      },
    },
    {
      name: 'GIT_STRATEGY none',
      job: from(project, ['cat kept file'], { GIT_STRATEGY: 'none' }),
      expected: { ...success, lines: ['of the job before', 'second'], lacks: ['Fetching changes', 'Checking out'] },
    },
    {
      name: 'GIT_CLEAN_FLAGS',
      job: from(project, ['cat kept; echo "to be cleaned" >other', 'ls -A'], { GIT_CLEAN_FLAGS: '-ffdx -e kept' }),
      expected: { ...success, lines: ['of the job before', '.git', '.gitignore', 'file', 'kept', 'other'] },
    },
    {
      name: 'GIT_CHECKOUT false',
      job: from(project, ['cat other', 'git log -1 --format="main: %s" origin/main'], { GIT_CHECKOUT: 'false' }),
      expected: {
        ...success,
        lines: ['Skipping Git checkout', 'to be cleaned', 'main: second'],
        lacks: ['Checking out'],
      },
    },
    {
      name: 'GIT_STRATEGY empty',
      job: from(project, ['ls -A | wc -l'], { GIT_STRATEGY: 'empty' }),
      expected: { ...success, lines: ['0'], lacks: ['Fetching changes', 'Checking out'] },
    },
    {
      name: 'refspecs and GIT_FETCH_EXTRA_FLAGS',
      job: from(
        project,
        ['git for-each-ref --format="%(refname)" refs/pipelines', 'git rev-parse HEAD'],
        { GIT_FETCH_EXTRA_FLAGS: '--no-tags --prune --quiet', FF_USE_GIT_NATIVE_CLONE: 'true', GIT_STRATEGY: 'clone' },
        { refspecs: ['+refs/heads/main:refs/pipelines/7', main] },
      ),
      expected: { ...success, lines: ['refs/pipelines/7', project.sha] },
    },
    {
      name: 'submodules of the first level',
      job: from(
        withModules,
        ['cat library/file; ls library', 'git -C library fetch -q origin main && echo "fetched "again'],
        {
          GIT_SUBMODULE_STRATEGY: 'normal',
          GIT_SUBMODULE_DEPTH: '1',
        },
      ),
      expected: {
        ...success,
        lines: [
          'Updating/initializing submodules with git depth set to 1...',
          'of library',
          'file',
          'nested',
          'other',
          'fetched again',
        ],
        lacks: [token],
      },
    },
    {
      name: 'submodules of all levels, some paths, forced https',
      job: from(withModules, ['cat library/file library/nested/file library/other/file', 'ls unwanted | wc -l'], {
        GIT_SUBMODULE_STRATEGY: 'recursive',
        GIT_SUBMODULE_PATHS: 'library',
        GIT_SUBMODULE_FORCE_HTTPS: 'true',
        GIT_SUBMODULE_UPDATE_FLAGS: '--jobs 2',
      }),
      expected: { ...success, lines: ['of library', 'of nested', 'of other', '0'] },
    },
    {
      name: 'LFS',
      job: from(withLfs, [
        'cat big.bin; git status --short; git lfs ls-files --name-only',
        'git checkout -q HEAD~1; git checkout -q -; cat big.bin',
      ]),
      expected: { ...success, lines: ['kept by LFS', 'big.bin', 'kept by LFS'] },
    },
    {
      name: 'GIT_LFS_SKIP_SMUDGE',
      job: from(withLfs, ['cat big.bin'], { GIT_LFS_SKIP_SMUDGE: '1', GIT_STRATEGY: 'clone' }),
      expected: { ...success, lines: ['version https://git-lfs.github.com/spec/v1', 'size 12'] },
    },
    {
      name: 'a repository of the format sha256',
      job: {
        ...from(sha256, ['cat file; git rev-parse HEAD; git rev-parse --show-object-format']),
        override: {
          git_info: {
            repo_url: sha256.url.replace('//', `//gitlab-ci-token:${token}@`),
            repo_object_format: 'sha256',
            ref: 'main',
            sha: sha256.sha,
            before_sha: '0'.repeat(64),
            ref_type: 'branch',
            refspecs: [main],
            depth: 20,
          },
        },
      },
      expected: { ...success, lines: ['in sha256', sha256.sha, 'sha256'] },
    },
    {
      name: 'hooks before and after the sources',
      job: {
        ...from(project, ['cat from-hook'], { GIT_STRATEGY: 'clone' }),
        override: {
          hooks: [
            {
              name: 'pre_get_sources_script',
              script: [
                'echo "before "sources; case $PWD/ in "$CI_PROJECT_DIR"/*) echo "in the "project ;; *) echo "outside of the "project ;; esac',
              ],
            },
            { name: 'post_get_sources_script', script: ['echo "after "sources; cat file | tee from-hook'] },
          ],
        },
      },
      expected: {
        ...success,
        lines: [
          'before sources',
          'outside of the project',
          checkedOut(project.sha),
          'after sources',
          'second',
          '$ cat from-hook',
          'second',
        ],
      },
    },
    {
      name: 'GET_SOURCES_ATTEMPTS',
      job: from(torn, ['cat file'], { GET_SOURCES_ATTEMPTS: '2', GIT_STRATEGY: 'clone' }),
      expected: { ...success, lines: ['Retrying in 5s', checkedOut(torn.sha), 'in torn'] },
    },
    {
      name: 'sources that cannot be had',
      job: {
        ...from({ ...project, sha: 'dead'.repeat(10) }, ['echo "never"-reached']),
        afterScript: ['echo "never"-reached'],
      },
      expected: {
        state: 'failed',
        failureReason: 'runner_system_failure',
        sections: [...before],
        lacks: ['never-reached'],
      },
    },
  ]
}
