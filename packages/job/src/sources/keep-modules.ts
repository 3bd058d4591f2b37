import { originFetch, writeSettings } from './git-settings.ts'
import { keepHistory } from './keep-history.ts'
import type { GitSources } from './sources-plan.ts'

/**
 * One compound command that takes from the repositories of submodules what an earlier job could have planted. What is
 * proven to be a repository, and nothing else, is moved to a new directory, which then takes the place of the old one.
 * Not kept is an index, so that the whole of a submodule is checked out into its empty directory. `isRecursive`:
 * whether those of submodules of submodules are kept, too.
 */
export function keepModules(isRecursive: boolean): string {
  return [
    'if [ -h .git/modules ]; then rm -f .git/modules; elif [ -d .git/modules ]; then',
    'mkdir .git/rc-modules; find .git/modules -type l -exec rm -f {} +',
    // What is in one comes before it.
    `find .git/modules -type f -name HEAD 2>/dev/null | ${isRecursive ? 'LC_ALL=C sort -r | ' : ''}while IFS= read -r rc_l; do`,
    // A name may hold `/`; what looks like a repository within one is none. What does not begin so is the rest of a
    // name with a line end.
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
 * Makes up the configuration of a repository's submodules whose history was kept: git then fetches what is missing.
 * Others are removed, and so cloned. `directory`: the repository's own, as within double quotes.
 */
export function takeModulesAgain(git: GitSources, directory: string): string[] {
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
    // Those that are in one of the others wait for their turn; git takes what is left of one that is no repository any
    // more for one.
    `find "${modules}" -type f -name rc-kept 2>/dev/null | while IFS= read -r rc_l; do rc_l=\${rc_l#"${modules}/"}; rc_l=\${rc_l%/rc-kept}`,
    `case $rc_l in */modules/*) rc_l=\${rc_l%%/modules/*}; [ ! -f "${modules}/$rc_l/HEAD" ] || continue ;; esac`,
    `rm -rf "${modules}/$rc_l"; done`,
    'fi',
  ]
}
