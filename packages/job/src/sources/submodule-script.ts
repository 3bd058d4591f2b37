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
 * One compound command that takes from the repositories of submodules what an earlier job could have planted. What is proven to be a repository, and nothing else, is moved to a new directory, which then takes the place of the old
 * one. Not kept is an index, so that the whole of a submodule is checked out into its empty directory. `isRecursive`: whether those of submodules of submodules are kept, too.
 */
export function keepModules(isRecursive: boolean): string {
  return [
    'if [ -h .git/modules ]; then rm -f .git/modules; elif [ -d .git/modules ]; then',
    'mkdir .git/rc-modules; find .git/modules -type l -exec rm -f {} +',
    // What is in one comes before it.
    `find .git/modules -type f -name HEAD 2>/dev/null | ${isRecursive ? 'LC_ALL=C sort -r | ' : ''}while IFS= read -r rc_l; do`,
    // A name may hold `/`; what looks like a repository within one is none. What does not begin so is the rest of a name with a line end.
    `rc_l=\${rc_l%/HEAD}; case $rc_l in */refs | */refs/* | */objects | */objects/*${isRecursive ? '' : ' | */modules/*/modules/*'}) continue ;; .git/modules/*) ;; *) continue ;; esac`,
    '[ -d "$rc_l/objects" ] && [ -d "$rc_l/refs" ] || continue',
    keepHistory('"$rc_l"', ['objects', 'refs', 'packed-refs', 'shallow', 'HEAD']),
    'rc_u=.git/rc-modules/${rc_l#.git/modules/}; mkdir -p "$rc_u"; mv "$rc_l"/* "$rc_u"; : >"$rc_u/rc-kept"',
    'done',
    'rm -rf .git/modules; mv .git/rc-modules .git/modules',
    'fi',
  ].join('\n')
}

/**
 * Makes up the configuration of a repository's submodules whose history was kept: git then fetches what is missing. Others are removed, and so cloned. `directory`: the repository's own, as within double quotes.
 */
function takeModulesAgain(git: GitSources, directory: string): string[] {
  const modules = `${directory}/modules`
  return [
    `if [ -d "${modules}" ]; then`,
    'git submodule --quiet init',
    `git config -f .gitmodules --name-only --get-regexp '^submodule\\..*\\.path$' 2>/dev/null | while IFS= read -r rc_l; do`,
    'rc_l=${rc_l#submodule.}; rc_l=${rc_l%.path}',
    `if [ -f "${modules}/$rc_l/rc-kept" ] && rc_u=$(git config "submodule.$rc_l.url"); then`,
    `GIT_DIR="${modules}/$rc_l" git init -q --template=${git.objectFormat === 'sha256' ? ' --object-format=sha256' : ''}`,
    `git config -f "${modules}/$rc_l/config" core.bare false`,
    `git config -f "${modules}/$rc_l/config" remote.origin.url "$rc_u"`,
    ...writeSettings(git, `"${modules}/$rc_l"`, [originFetch]),
    `rm -f "${modules}/$rc_l/rc-kept"`,
    'fi',
    'done',
    'unset rc_u rc_l',
    // Those that are in one of the others wait for their turn; git takes what is left of one that is no repository any more for one.
    `find "${modules}" -type f -name rc-kept 2>/dev/null | while IFS= read -r rc_l; do rc_l=\${rc_l#"${modules}/"}; rc_l=\${rc_l%/rc-kept}`,
    `case $rc_l in */modules/*) rc_l=\${rc_l%%/modules/*}; [ ! -f "${modules}/$rc_l/HEAD" ] || continue ;; esac`,
    `rm -rf "${modules}/$rc_l"; done`,
    'fi',
  ]
}

/**
 * Shell text that gets the submodules of what is checked out, in directories that are empty. Their repositories get the settings too, so that git works in them
 * in the job's script: those that are new, at whatever level, from a template.
 */
export function submoduleScript(git: GitSources, { isRecursive, depth, paths, updateFlags }: SubmoduleSources): string[] {
  const recursive = isRecursive ? ['--recursive'] : []
  const mayBeKept = git.strategy !== 'clone'
  const gitWithSettings = ['git', ...settingOptions(git), '-c init.templateDir="$PWD/.git/rc-template"'].join(' ')
  const update = ['submodule update --init', ...(depth > 0 ? [`--depth ${depth}`] : []), ...updateFlags.map(quote)].join(' ')
  return [
    ...(mayBeKept ? takeModulesAgain(git, '.git') : []),
    'mkdir .git/rc-template',
    ...writeSettings(git, '.git/rc-template'),
    // Git makes no stop between levels at which a configuration could be made up: where history of later ones was kept, it gets one after the other.
    `rc_u=${recursive.join('')}`,
    ...(isRecursive && mayBeKept ? [`if [ -d .git/modules ] && [ -n "$(find .git/modules -type f -name rc-kept)" ]; then rc_u=; fi`] : []),
    [gitWithSettings, update, '$rc_u', ...(paths.length > 0 ? ['--', ...paths.map(quote)] : [])].join(' '),
    ...(isRecursive && mayBeKept
      ? [
          'if [ -z "$rc_u" ]; then',
          `${gitWithSettings} submodule foreach --quiet --recursive ${quote(nextLevel(git, update))}`,
          // Of those that nobody wanted there is no configuration, which a script that gets them itself would miss.
          'find .git/modules -type f -name rc-kept | while IFS= read -r rc_l; do rm -rf "${rc_l%/rc-kept}"; done',
          'fi',
        ]
      : []),
    'unset rc_u',
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

/** Shell text that gets the submodules of the submodule that it runs in. */
function nextLevel(git: GitSources, update: string): string {
  return [
    'set -e; if [ -f .gitmodules ]; then',
    `rc_d=$(git rev-parse --git-dir); printf 'Submodules of %s:\\n' "$displaypath"`,
    ...takeModulesAgain(git, '$rc_d'),
    `git ${update}`,
    'fi',
  ].join('\n')
}
