import { quote } from '../script/quote.ts'
import { settingOptions, writeSettings } from './git-settings.ts'
import { takeModulesAgain } from './keep-modules.ts'
import { lfsAttributes, lfsScript } from './lfs-script.ts'
import type { GitSources, SubmoduleSources } from './sources-plan.ts'

/**
 * Shell text that empties the directories of submodules. An earlier job may have left a repository of its own making
 * there, which git would run commands of: `git status` alone looks into it.
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
 * Shell text that gets the submodules of what is checked out, in directories that are empty. Their repositories get the
 * settings too, so that git works in them in the job's script: those that are new, at whatever level, from a template.
 */
export function submoduleScript(
  git: GitSources,
  { isRecursive, depth, paths, updateFlags }: SubmoduleSources,
): string[] {
  const recursive = isRecursive ? ['--recursive'] : []
  const mayBeKept = git.strategy !== 'clone'
  const gitWithSettings = ['git', ...settingOptions(git), '-c init.templateDir="$PWD/.git/rc-template"'].join(' ')
  const update = [
    'submodule update --init',
    ...(depth > 0 ? [`--depth ${depth}`] : []),
    ...updateFlags.map(quote),
  ].join(' ')
  return [
    ...(mayBeKept ? takeModulesAgain(git, '.git') : []),
    'mkdir .git/rc-template',
    ...writeSettings(git, '.git/rc-template'),
    // Git makes no stop between levels at which a configuration could be made up: where history of later ones was kept,
    // it gets one after the other.
    `rc_u=${recursive.join('')}`,
    ...(isRecursive && mayBeKept
      ? [`if [ -d .git/modules ] && [ -n "$(find .git/modules -type f -name rc-kept)" ]; then rc_u=; fi`]
      : []),
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
