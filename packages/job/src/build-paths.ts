import { JobError } from './job-error.ts'
import type { JobPayload } from './job-payload.ts'
import { splitCredentials } from './repository-url.ts'

/**
 * Stands in a path or a variable's value for the directory that a login begins in, which only the machine knows.
 * `quote` makes a shell insert it. It holds a NUL, so no real value contains it.
 */
export const loginDirectory = '\0login\0'

/** Where a job works on its machine. Absolute, or below {@link loginDirectory}. */
export interface BuildPaths {
  readonly buildsDir: string
  /** The work tree. */
  readonly projectDir: string
  /** Beside the work tree: file variables and the like, gone when the job has ended. */
  readonly temporaryDir: string
}

export interface BuildPathsOptions {
  /** Absolute, or relative to the login's home. */
  readonly buildsDir: string
  readonly shortToken: string
  /** No two jobs of a manager have the same at the same time. */
  readonly concurrentId: number
  readonly projectPath: string
  /** See `JobEnvironment.ownsBuildsDir`. Default false. */
  readonly isOwn?: boolean
  /** Which directories a job may choose. Default `own`. */
  readonly clonePaths?: ClonePaths
}

/**
 * Which directories a job may choose for its work tree (`GIT_CLONE_PATH`): `own`: those that no other job of this
 * manager has · `any`: all in `builds_dir` · `none`.
 */
export type ClonePaths = 'own' | 'any' | 'none'

/**
 * `builds_dir/<short token>/<concurrent id>/<project>`, as GitLab's runner lays it out on machines that several jobs
 * share; `builds_dir/<project>` where a job has the directory for itself.
 */
export function buildPaths(options: BuildPathsOptions): BuildPaths {
  const buildsDir = buildsDirectory(options.buildsDir)
  // A token may hold `/` or begin with a dot; a directory's name must not.
  const shortToken = options.shortToken.replaceAll(/[^A-Za-z0-9_-]/g, '_') || '_'
  const own = options.isOwn === true ? '' : `${shortToken}/${options.concurrentId}/`
  const projectDir = `${buildsDir}/${own}${options.projectPath}`
  return { buildsDir, projectDir, temporaryDir: `${projectDir}.tmp` }
}

/**
 * The same with a work tree of the job's own choice (`GIT_CLONE_PATH`), in a directory that no other job of this
 * manager has: `builds_dir/<concurrent id>/…` or `builds_dir/<short token>/<concurrent id>/…`, or anywhere in a
 * `builds_dir` of the job's own, or where any directory may be chosen. Thrown: {@link JobError} `invalid_job` when it
 * is elsewhere, or none may be chosen.
 */
export function chosenPaths(options: BuildPathsOptions, clonePath: string): BuildPaths {
  const byDefault = buildPaths(options)
  const { buildsDir } = byDefault
  const chosen = clonePath.replace(/\/+$/, '')
  const own = `${options.concurrentId}/`
  const [shortToken] = byDefault.projectDir.slice(buildsDir.length + 1).split('/')
  const below = chosen.slice(buildsDir.length + 1)
  const { clonePaths = 'own' } = options
  const got = JSON.stringify(clonePath.replaceAll(loginDirectory, '~'))
  if (clonePaths === 'none')
    throw cannotChoose(`expected no such variable, since custom_build_dir of the runner is not enabled, got ${got}`)
  const isOwn = below.startsWith(own) || below.startsWith(`${shortToken}/${own}`)
  // Names that begin with a dot are the runner's.
  const isAllowed = isOwn || options.isOwn === true || (clonePaths === 'any' && !below.startsWith('.'))
  if (chosen.startsWith(`${buildsDir}/`) && isAllowed && isPathBelow(below))
    return { buildsDir, projectDir: chosen, temporaryDir: `${chosen}.tmp` }
  throw cannotChoose(
    clonePaths === 'any'
      ? `expected a path in $CI_BUILDS_DIR/, got ${got}`
      : `expected a path in $CI_BUILDS_DIR/$CI_CONCURRENT_ID/, which no other job uses, got ${got}`,
  )
}

function cannotChoose(message: string): JobError {
  return new JobError('invalid_job', 'runner_configuration_error', `GIT_CLONE_PATH: ${message}`)
}

function isPathBelow(path: string): boolean {
  return (
    !path.includes('\0') && path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  )
}

/** `builds_dir` as configured, absolute or below {@link loginDirectory}. */
export function buildsDirectory(configured: string): string {
  const given = configured.replace(/^~(?=\/|$)/, '.').replace(/(?<=.)\/+$/, '')
  return given.startsWith('/') ? given : `${loginDirectory}/${given}`
}

/**
 * The project's path, `group/project`: what the work tree is named after. A server that does not tell it has it in the
 * repository's address. Thrown: {@link JobError} `invalid_job` when it would lead elsewhere.
 */
export function projectPath(payload: JobPayload): string {
  const path =
    payload.job_info.project_full_path || pathOfRepository(payload) || `project-${payload.job_info.project_id}`
  if (isPathBelow(path)) return path
  throw new JobError(
    'invalid_job',
    'runner_configuration_error',
    `the project's path ${JSON.stringify(path)} cannot be the path of a directory`,
  )
}

/** Empty: the repository has no address with a path. */
function pathOfRepository({ git_info }: JobPayload): string {
  const address = splitCredentials(git_info.repo_url).url
  if (!URL.canParse(address)) return ''
  return new URL(address).pathname.replace(/^\/+/, '').replace(/(?:\.git)?\/*$/, '')
}
