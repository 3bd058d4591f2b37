import { quote } from '../script/quote.ts'
import { stepScript } from '../script/step-script.ts'
import { originFetch, settingOptions, writeSettings } from './git-settings.ts'
import { keepHistory } from './keep-history.ts'
import { keepModules } from './keep-modules.ts'
import { lfsScript } from './lfs-script.ts'
import { say } from './say.ts'
import type { GitSources, SubmoduleSources } from './sources-plan.ts'
import { emptySubmodules, submoduleScript } from './submodule-script.ts'

/** What of `.git` a later job uses. An index may be in two files. */
const history = ['objects', 'refs', 'packed-refs', 'shallow', 'HEAD', 'index', 'sharedindex.*', 'lfs']

/**
 * Shell text that brings the work tree, the working directory, to the job's commit, and runs what is to run after that.
 * It runs in a subshell of its own, in which it may end at any failure.
 *
 * The job's token is never on a command line, in a URL or in a file: git asks a helper for it, which reads
 * `CI_JOB_TOKEN`. The helper stays in the work tree's `.git/config`, so that git works in the job's script too, where
 * that variable is set.
 *
 * Of the repository that a job before left, only history stays: what that job could have planted to run in this one
 * (configuration, hooks, another directory to find them in, replaced commits) is removed first, and so are locks that a
 * killed git left.
 */
export function gitScript(git: GitSources): string {
  const { repository } = git
  const withLogin = repository.password !== ''
  const hasSubmodules = git.checkout && git.submodules !== undefined
  const lines = [
    // Not empty: nothing but the repository is in the directory, so that there is nothing to empty or to clean once the
    // commit is checked out.
    'rc_e=',
    `export GIT_TERMINAL_PROMPT=0 GCM_INTERACTIVE=Never GIT_LFS_SKIP_SMUDGE=1${withLogin ? ` CI_JOB_TOKEN=${quote(repository.password)}` : ''}`,
    ...(git.cloneFlags === undefined ? [] : [...nativeClone(git, git.cloneFlags), 'if [ -z "$rc_c" ]; then']),
    say(git.depth > 0 ? `Fetching changes with git depth set to ${git.depth}...` : 'Fetching changes...'),
    // The commit that an earlier job checked out: one of the other format cannot be kept beside this one's.
    'rc_l=; if [ -f .git/HEAD ]; then IFS= read -r rc_l <.git/HEAD || :; fi',
    `if [ -h .git ] || [ ! -d .git ] || [ \${#rc_l} = ${git.objectFormat === 'sha256' ? 40 : 64} ]; then`,
    'if [ -e .git ] || [ -h .git ]; then rm -rf .git; fi',
    // An earlier job may have left it so that it cannot be listed.
    `if rc_l=$(ls -A) && [ -z "$rc_l" ]; then rc_e=1; fi; ${say('Created fresh repository.')}`,
    'else',
    // Without a configuration they are of no use to a script that gets submodules itself.
    ...(hasSubmodules
      ? [keepHistory('.git', [...history, 'modules']), keepModules(git.submodules?.isRecursive === true)]
      : [keepHistory('.git', history)]),
    'fi; unset rc_l',
    `git init -q --template=${git.objectFormat === 'sha256' ? ' --object-format=sha256' : ''}`,
    ...writeSettings(git, '.git', [
      { section: 'remote', subsection: 'origin', name: 'url', value: repository.url },
      originFetch,
    ]),
    'rc_u=',
    ...(git.depth > 0 ? [] : ['if [ -f .git/shallow ]; then rc_u=--unshallow; fi']),
    [
      // A pack that is kept as it came, as `git clone` keeps it, costs half of what each object in a file of its own
      // does. What needs no clean-up need not be looked at for it.
      'git ${rc_e:+-c} ${rc_e:+fetch.unpackLimit=1} ${rc_e:+-c} ${rc_e:+maintenance.auto=false} fetch --no-recurse-submodules',
      ...(git.depth > 0 ? [`--depth ${git.depth}`] : []),
      '$rc_u',
      ...git.fetchFlags.map(quote),
      'origin',
      ...git.refspecs.map(quote),
    ].join(' '),
    'unset rc_u',
    ...(git.cloneFlags === undefined ? [] : ['fi; unset rc_c']),
    ...(git.checkout ? checkOut(git) : [say('Skipping Git checkout'), skippingSubmodules]),
    'unset rc_e',
    ...(git.postScript.length > 0 ? [`eval ${quote(stepScript(git.postScript, quote))}`] : []),
  ]
  return lines.join('\n')
}

/**
 * `git clone`, which knows ways to get sources that `git fetch` does not (bundles, filters, references), where git is
 * of 2.49 or later and the directory is empty. It gets what the job's ref is now; where that has gone on, the commit is
 * fetched as always. `rc_c` is not empty where it brought the job's commit.
 */
function nativeClone(git: GitSources, cloneFlags: readonly string[]): string[] {
  const { ref, sha, depth } = git
  const revision = ref === '' ? [] : [`${ref.startsWith('refs/') ? '--revision' : '--branch'}=${ref}`]
  const title = `Cloning repository${ref === '' ? '' : ` for ${ref}`}${depth > 0 ? ` with git depth set to ${depth}` : ''}...`
  const words = [...(depth > 0 ? [`--depth=${depth}`] : []), ...revision, ...cloneFlags].map(quote)
  return [
    'rc_c=',
    `case $(git version) in 'git version 2.49'* | 'git version 2.'[5-9][0-9]* | 'git version 2.'[1-9][0-9][0-9]* | 'git version '[3-9].*) if [ -z "$(ls -A)" ]; then`,
    say(title),
    `git clone --no-checkout --template= ${[...settingOptions(git), ...words].join(' ')} -- ${quote(git.repository.url)} .`,
    `if git cat-file -e ${sha}^{commit} 2>/dev/null; then rc_c=1 rc_e=1; else rm -rf .git; fi`,
    'fi ;; esac',
  ]
}

function checkOut(git: GitSources): string[] {
  const tidying = [
    ...(git.strategy === 'clone' ? [] : [emptySubmodules(git.sha)]),
    ...(git.cleanFlags === undefined ? [] : [['git clean', ...git.cleanFlags.map(quote)].join(' ')]),
  ]
  return [
    say(`Checking out ${git.sha.slice(0, 8)} as detached HEAD (ref is ${git.ref})...`),
    `git checkout -f -q ${git.sha}`,
    ...(tidying.length === 0 ? [] : ['if [ -z "$rc_e" ]; then', ...tidying, 'fi']),
    ...(git.lfs ? [lfsScript] : []),
    ...(git.submodules === undefined
      ? [skippingSubmodules]
      : [say(submoduleTitle(git.submodules)), ...submoduleScript(git, git.submodules)]),
  ]
}

const skippingSubmodules = say('Skipping Git submodules setup')

function submoduleTitle({ isRecursive, depth }: SubmoduleSources): string {
  return `Updating/initializing submodules${isRecursive ? ' recursively' : ''}${depth > 0 ? ` with git depth set to ${depth}` : ''}...`
}
