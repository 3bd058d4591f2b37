import { quote } from '../script/quote.ts'
import { settingOptions, writeSettings } from './git-settings.ts'
import { lfsScript } from './lfs-script.ts'
import type { GitSources, SubmoduleSources } from './sources-plan.ts'

/**
 * Shell text that empties the directories of submodules. An earlier job may have left a repository of its own making there, which git would run commands of:
 * `git status` alone looks into it.
 */
export const emptySubmodules: string = [
  `git -c core.quotePath=false ls-files -s | sed -n 's/^160000 [^\t]*\t//p' | while IFS= read -r rc_l; do`,
  // git quotes a name only where it holds control characters or quotes.
  `case $rc_l in '"'*) printf '%s\\n' "submodule $rc_l: its path can only be handled with GIT_STRATEGY: clone"; exit 1;; esac`,
  'rm -rf "./$rc_l"; mkdir -p "./$rc_l"',
  'done',
].join('\n')

/**
 * Shell text that gets the submodules of what is checked out, in directories that are empty. Their repositories get the settings too, so that git works in them
 * in the job's script.
 */
export function submoduleScript(git: GitSources, { isRecursive, depth, paths, updateFlags }: SubmoduleSources): string[] {
  const recursive = isRecursive ? ['--recursive'] : []
  const inEach = [...writeSettings(git), ...(git.lfs ? [lfsScript] : [])]
  return [
    [
      'git',
      ...settingOptions(git),
      'submodule update --init',
      ...recursive,
      ...(depth > 0 ? [`--depth ${depth}`] : []),
      ...updateFlags.map(quote),
      ...(paths.length > 0 ? ['--', ...paths.map(quote)] : []),
    ].join(' '),
    ...(inEach.length > 0 ? [['git submodule foreach --quiet', ...recursive, quote(inEach.join(' && '))].join(' ')] : []),
  ]
}
