import { parseGoBool } from '../go-bool.ts'
import { JobError } from '../job-error.ts'
import type { JobPayload } from '../job-payload.ts'
import { type RepositoryUrl, splitCredentials } from '../repository-url.ts'
import type { RunnerScripts } from '../runner-scripts.ts'
import { attempts } from '../variables/attempts.ts'
import { earlySetting } from '../variables/early-setting.ts'
import type { EnvironmentVariable, ResolvedVariable } from '../variables/job-variables.ts'
import { type TlsFile, tlsFiles } from './tls-files.ts'

/**
 * `none` leaves the directory as the job before left it; `empty` empties it; `fetch` reuses a work tree; `clone` begins
 * with a new one.
 */
export type GitStrategy = 'none' | 'empty' | 'fetch' | 'clone'

/** What git is to do, all settings read and checked. */
export interface GitSources {
  readonly strategy: 'fetch' | 'clone'
  /** Where the project's sources come from. */
  readonly repository: RepositoryUrl
  /** `scheme://host:port` of all addresses that the login is for. */
  readonly loginOrigins: readonly string[]
  /**
   * Of the origins that the login is for: the files of `CI_SERVER_TLS_CA_FILE`, which alone is trusted then, and of the
   * client's certificate and its key.
   */
  readonly tlsFiles: readonly TlsFile[]
  readonly refspecs: readonly string[]
  /** 0: the whole history. */
  readonly depth: number
  readonly sha: string
  readonly ref: string
  readonly objectFormat: 'sha1' | 'sha256'
  readonly checkout: boolean
  /** Undefined: nothing is cleaned. */
  readonly cleanFlags: readonly string[] | undefined
  readonly fetchFlags: readonly string[]
  /** Given: `git clone`, with these flags, where git can clone what the job is for (`FF_USE_GIT_NATIVE_CLONE`). */
  readonly cloneFlags: readonly string[] | undefined
  /** Whether files that LFS keeps are fetched, where the machine has `git-lfs`. */
  readonly lfs: boolean
  /** Undefined: submodules are left out. */
  readonly submodules: SubmoduleSources | undefined
  /** Addresses that begin with `from` are to begin with `to`, where the job's login is of use. */
  readonly rewrites: readonly AddressRewrite[]
  /** 1 … 10. */
  readonly attempts: number
  /** Run in the login's directory. */
  readonly preScript: readonly string[]
  /** Run in the work tree. */
  readonly postScript: readonly string[]
}

interface AddressRewrite {
  readonly from: string
  readonly to: string
}

export interface SubmoduleSources {
  /** Submodules of submodules too. */
  readonly isRecursive: boolean
  /** 0: the whole history. */
  readonly depth: number
  /** Pathspecs; none: all submodules. */
  readonly paths: readonly string[]
  readonly updateFlags: readonly string[]
}

export interface SourcesPlan {
  /** Undefined with the strategies `none` and `empty`. */
  readonly git: GitSources | undefined
  readonly warnings: readonly string[]
}

/**
 * The job's `GIT_STRATEGY`, known before its directory is. What the project says (`allow_git_fetch`) is the default; it
 * comes with a warning in place of what is not a strategy.
 */
export function gitStrategy(
  payload: JobPayload,
  environmentVariables: readonly EnvironmentVariable[],
): { readonly strategy: GitStrategy; readonly warnings: readonly string[] } {
  const asked = earlySetting({ payload, environmentVariables }, 'GIT_STRATEGY')
  const byDefault = payload.allow_git_fetch ? 'fetch' : 'clone'
  if (asked === '') return { strategy: byDefault, warnings: [] }
  if (asked === 'none' || asked === 'empty' || asked === 'clone' || asked === 'fetch')
    return { strategy: asked, warnings: [] }
  return {
    strategy: byDefault,
    warnings: [
      `GIT_STRATEGY: expected none, empty, fetch or clone, got ${JSON.stringify(asked)}; ${byDefault} is used`,
    ],
  }
}

/**
 * Reads and checks everything that says which sources the job gets. Thrown: {@link JobError} `invalid_job` with all
 * problems, `unsupported`.
 */
export function sourcesPlan(
  payload: JobPayload,
  strategy: GitStrategy,
  variables: ReadonlyMap<string, ResolvedVariable>,
  scripts: Pick<RunnerScripts, 'preGetSources' | 'postGetSources'>,
  cloneUrl?: string,
): SourcesPlan {
  const setting = (key: string): string => variables.get(key)?.value.trim() ?? ''
  if (strategy === 'none' || strategy === 'empty') return { git: undefined, warnings: [] }
  const { git_info: info } = payload
  const hook = (name: string): readonly string[] => payload.hooks.find((each) => each.name === name)?.script ?? []
  const named = splitCredentials(info.repo_url)
  const repository =
    cloneUrl === undefined ? named : repositoryBelow(cloneUrl, payload, named, setting('CI_PROJECT_PATH'))
  const loginOrigins = [...new Set([repository.origin, named.origin])].filter((origin) => origin !== '')
  const refspecs =
    info.refspecs.length > 0 ? info.refspecs : ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']
  const depth = Math.max(0, Math.trunc(info.depth))
  const submoduleStrategy = setting('GIT_SUBMODULE_STRATEGY') || 'none'
  const submoduleDepth = setting('GIT_SUBMODULE_DEPTH')
  const isDepth = /^\d{1,9}$/.test(submoduleDepth)
  const tries = attempts('GET_SOURCES_ATTEMPTS', setting('GET_SOURCES_ATTEMPTS'))
  refuse([
    ...(/^(https?|file|ssh|git):\/\//.test(repository.url)
      ? []
      : [`git_info.repo_url: expected an http, https, file, ssh or git URL, got ${JSON.stringify(repository.url)}`]),
    ...(/^[0-9a-f]{40,64}$/.test(info.sha)
      ? []
      : [`git_info.sha: expected 40 to 64 hexadecimal digits, got ${JSON.stringify(info.sha)}`]),
    ...refspecs
      .filter((refspec) => !/^\+?[^-+\0\n][^\0\n]*$/.test(refspec))
      .map((refspec) => `git_info.refspecs: expected a refspec, got ${JSON.stringify(refspec)}`),
    ...(['none', 'normal', 'recursive'].includes(submoduleStrategy)
      ? []
      : [`GIT_SUBMODULE_STRATEGY: expected none, normal or recursive, got ${JSON.stringify(submoduleStrategy)}`]),
  ])
  return {
    git: {
      strategy,
      repository,
      loginOrigins,
      tlsFiles: loginOrigins.some((origin) => origin.startsWith('https:')) ? tlsFiles(variables) : [],
      refspecs,
      depth,
      sha: info.sha,
      ref: info.ref,
      objectFormat: info.repo_object_format === 'sha256' ? 'sha256' : 'sha1',
      checkout: parseGoBool(setting('GIT_CHECKOUT')) ?? true,
      cleanFlags: flags(setting('GIT_CLEAN_FLAGS'), ['-ffdx']),
      fetchFlags: flags(setting('GIT_FETCH_EXTRA_FLAGS'), ['--prune', '--quiet']) ?? [],
      cloneFlags:
        strategy === 'clone' && parseGoBool(setting('FF_USE_GIT_NATIVE_CLONE')) === true
          ? (flags(setting('GIT_CLONE_EXTRA_FLAGS'), []) ?? [])
          : undefined,
      lfs: parseGoBool(setting('GIT_LFS_SKIP_SMUDGE')) !== true,
      submodules:
        submoduleStrategy === 'none'
          ? undefined
          : {
              isRecursive: submoduleStrategy === 'recursive',
              depth: isDepth ? Number(submoduleDepth) : depth,
              paths: words(setting('GIT_SUBMODULE_PATHS')),
              updateFlags: words(setting('GIT_SUBMODULE_UPDATE_FLAGS')),
            },
      rewrites: parseGoBool(setting('GIT_SUBMODULE_FORCE_HTTPS'))
        ? httpForSsh(
            repository,
            named.origin,
            payload.job_info.project_full_path,
            setting('CI_SERVER_SHELL_SSH_HOST'),
            setting('CI_SERVER_SHELL_SSH_PORT'),
          )
        : [],
      attempts: tries.count,
      preScript: lines(scripts.preGetSources, ...hook('pre_get_sources_script')),
      postScript: lines(...hook('post_get_sources_script'), scripts.postGetSources),
    },
    warnings: [
      ...tries.warnings,
      ...(submoduleDepth === '' || isDepth
        ? []
        : [`GIT_SUBMODULE_DEPTH: expected a number, got ${JSON.stringify(submoduleDepth)}; ${depth} is used`]),
    ],
  }
}

/** The project's repository below the address that `clone_url` of the configuration is, with the job's login. */
function repositoryBelow(
  cloneUrl: string,
  { token, job_info }: Pick<JobPayload, 'token' | 'job_info'>,
  named: RepositoryUrl,
  pathVariable: string,
): RepositoryUrl {
  const path =
    job_info.project_full_path ||
    pathVariable ||
    (named.origin === '' ? '' : new URL(named.url).pathname.replace(/^\//, '').replace(/\.git$/, ''))
  const { url, origin } = splitCredentials(`${cloneUrl.replace(/\/+$/, '')}/${path}.git`)
  const login = { username: named.username || 'gitlab-ci-token', password: named.password || token }
  return origin === '' ? { url: withGitUser(url), origin, username: '', password: '' } : { url, origin, ...login }
}

function withGitUser(url: string): string {
  return /^ssh:\/\/[^/@]+\//.test(url) ? url.replace('ssh://', 'ssh://git@') : url
}

/** How addresses of the coordinator's repositories begin where they go by ssh, and how they begin by http. */
function httpForSsh(
  { url, origin }: RepositoryUrl,
  namedOrigin: string,
  projectPath: string,
  sshHost: string,
  sshPort: string,
): AddressRewrite[] {
  if (origin === '') return []
  // A coordinator may live below a path, which its ssh addresses do not have.
  const own = `${projectPath}.git`
  const to = url.endsWith(`/${own}`) ? url.slice(0, -own.length) : `${origin}/`
  const origins = [origin, namedOrigin].filter((each) => each !== '')
  const hosts = new Set([...origins.map((each) => new URL(each).hostname), ...(sshHost === '' ? [] : [sshHost])])
  return [...hosts].flatMap((host) =>
    [`git@${host}:`, `ssh://git@${host}/`, ...(/^\d+$/.test(sshPort) ? [`ssh://git@${host}:${sshPort}/`] : [])].map(
      (from) => ({
        from,
        to,
      }),
    ),
  )
}

function flags(setting: string, byDefault: readonly string[]): readonly string[] | undefined {
  if (setting === '') return byDefault
  return setting === 'none' ? undefined : words(setting)
}

function lines(...all: readonly string[]): string[] {
  return all.filter((line) => line.trim() !== '')
}

function words(setting: string): string[] {
  return setting.split(/\s+/).filter((word) => word !== '')
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new JobError(
      'invalid_job',
      'runner_configuration_error',
      `the job's sources cannot be fetched: ${problems.join('; ')}`,
    )
}
