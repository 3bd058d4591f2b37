import { quote } from '../script/quote.ts'
import { originFetch, settingOptions, writeSettings } from './git-settings.ts'
import { keepHistory } from './keep-history.ts'
import { lfsAttributes, lfsScript } from './lfs-script.ts'
import type { GitSources, SubmoduleSources } from './sources-plan.ts'

/**
 * Shell text that empties the directories of submodules. An earlier job may have left a repository of its own making there, which git would run commands of:
 * `git status` alone looks into it.
 */
export function emptySubmodules(sha: string): string {
  return [
    `git -c core.quotePath=false ls-files -s | sed -n 's/^160000 [^\t]*\t//p' | { rc_u=; while IFS= read -r rc_l; do`,
    // git quotes a name only where it holds control characters or quotes.
    `case $rc_l in '"'*) rc_u=1 ;; *) rm -rf "./$rc_l"; mkdir -p "./$rc_l" ;; esac`,
    'done',
    // Then all that is there goes, as if it were a new clone.
    `if [ -n "$rc_u" ]; then find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +; git checkout -f -q ${sha}; fi`,
    '}',
  ].join('\n')
}

/**
 * One compound command that takes from the repositories of submodules, those of the first level, what an earlier job could have planted. What is proven to be a repository, and nothing else, is moved to a new directory, which
 * then takes the place of the old one. Not kept are an index, so that the whole of a submodule is checked out into its empty directory, and repositories in them.
 */
export const keepModules: string = [
  'if [ -h .git/modules ]; then rm -f .git/modules; elif [ -d .git/modules ]; then',
  'mkdir .git/rc-modules; find .git/modules -type l -exec rm -f {} +',
  `find .git/modules -type f -name HEAD 2>/dev/null | while IFS= read -r rc_l; do`,
  // A name may hold `/`; what looks like a repository within one is none. What does not begin so is the rest of a name with a line end.
  'rc_l=${rc_l%/HEAD}; case $rc_l in */refs | */refs/* | */objects | */objects/* | */modules/*/modules/*) continue ;; .git/modules/*) ;; *) continue ;; esac',
  '[ -d "$rc_l/objects" ] && [ -d "$rc_l/refs" ] || continue',
  keepHistory('"$rc_l"', ['objects', 'refs', 'packed-refs', 'shallow', 'HEAD']),
  'rc_u=.git/rc-modules/${rc_l#.git/modules/}; mkdir -p "${rc_u%/*}"; mv "$rc_l" "$rc_u"; : >"$rc_u/rc-kept"',
  'done',
  'rm -rf .git/modules; mv .git/rc-modules .git/modules',
  'fi',
].join('\n')

/**
 * Makes up the configuration of submodules whose history was kept: git then fetches what is missing. Others are removed, and so cloned.
 */
function takeModulesAgain(git: GitSources): string[] {
  return [
    'if [ -d .git/modules ]; then',
    'git submodule --quiet init',
    `git config -f .gitmodules --name-only --get-regexp '^submodule\\..*\\.path$' 2>/dev/null | while IFS= read -r rc_l; do`,
    'rc_l=${rc_l#submodule.}; rc_l=${rc_l%.path}',
    'if [ -f ".git/modules/$rc_l/rc-kept" ] && rc_u=$(git config "submodule.$rc_l.url"); then',
    `GIT_DIR=".git/modules/$rc_l" git init -q --template=${git.objectFormat === 'sha256' ? ' --object-format=sha256' : ''}`,
    'git config -f ".git/modules/$rc_l/config" core.bare false',
    'git config -f ".git/modules/$rc_l/config" remote.origin.url "$rc_u"',
    ...writeSettings(git, '".git/modules/$rc_l"', [originFetch]),
    'rm -f ".git/modules/$rc_l/rc-kept"',
    'fi',
    'done',
    'unset rc_u rc_l',
    'find .git/modules -type f -name rc-kept | while IFS= read -r rc_l; do rm -rf "${rc_l%/rc-kept}"; done',
    'fi',
  ]
}

/**
 * Shell text that gets the submodules of what is checked out, in directories that are empty. Their repositories get the settings too, so that git works in them
 * in the job's script: those that are new, at whatever level, from a template.
 */
export function submoduleScript(git: GitSources, { isRecursive, depth, paths, updateFlags }: SubmoduleSources): string[] {
  const recursive = isRecursive ? ['--recursive'] : []
  return [
    ...(git.strategy === 'clone' ? [] : takeModulesAgain(git)),
    'mkdir .git/rc-template',
    ...writeSettings(git, '.git/rc-template'),
    [
      'git',
      ...settingOptions(git),
      '-c init.templateDir="$PWD/.git/rc-template"',
      'submodule update --init',
      ...recursive,
      ...(depth > 0 ? [`--depth ${depth}`] : []),
      ...updateFlags.map(quote),
      ...(paths.length > 0 ? ['--', ...paths.map(quote)] : []),
    ].join(' '),
    ...(git.lfs
      ? [
          // One process for all, before the many that `foreach` is.
          `if git grep -q --recurse-submodules ${lfsAttributes}; then`,
          ['git submodule foreach --quiet', ...recursive, quote(lfsScript)].join(' '),
          'fi',
        ]
      : []),
  ]
}
