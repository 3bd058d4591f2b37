import { execFileSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Makes the bare repositories `library.git` and `project.git` in `root`, the one a submodule of the other, and returns
 * the project's commit.
 */
export function makeRepositories(root: string): string {
  const library = makeRepository(root, 'library')
  return makeRepository(root, 'project', library)
}

/** Commits the directory `name` beside this file, with `library` as its submodule at the given commit. */
function makeRepository(root: string, name: string, library?: string): string {
  const work = join(root, name)
  cpSync(fileURLToPath(new URL(name, import.meta.url)), work, { recursive: true })
  // Settings of this machine, such as hooks, are none of its business.
  const env = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const git = (...args: readonly string[]): string =>
    execFileSync('git', args, { cwd: work, env, encoding: 'utf8' }).trim()
  git('init', '--quiet', '--initial-branch=main')
  if (library !== undefined) {
    git('config', '--file', '.gitmodules', 'submodule.library.path', 'library')
    git('config', '--file', '.gitmodules', 'submodule.library.url', '../library.git')
  }
  git('add', '.')
  if (library !== undefined) git('update-index', '--add', '--cacheinfo', `160000,${library},library`)
  git(
    '-c',
    'user.name=Example',
    '-c',
    'user.email=example@example.invalid',
    'commit',
    '--quiet',
    '--message',
    `the ${name}`,
  )
  git('clone', '--quiet', '--bare', '.', join(root, `${name}.git`))
  return git('rev-parse', 'HEAD')
}
