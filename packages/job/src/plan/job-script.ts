import type { BuildPaths } from '../build-paths.ts'
import { hideSlot } from '../detach/slot-file.ts'
import { limitExceeded } from '../job-budget.ts'
import type { ShellName } from '../job-environment.ts'
import { hideStartFiles, putBackStartFiles, takeStartFiles } from '../login/start-files.ts'
import { probeDisk, troubleWords } from '../script/disk-trouble.ts'
import type { JobMarker } from '../script/job-marker.ts'
import { emitMarkers } from '../script/markers.ts'
import { quickCheck } from '../script/quick-check.ts'
import { quote } from '../script/quote.ts'
import { failFast, stepScript } from '../script/step-script.ts'
import { ownConfiguration } from '../sources/git-configuration.ts'
import { gitScript } from '../sources/git-script.ts'
import type { GitSources, GitStrategy } from '../sources/sources-plan.ts'
import { jobEnvFile, variableFile } from '../variables/job-variables.ts'
import type { ShellVariables } from '../variables/shell-variables.ts'

/** One of the job's own scripts, run in a shell of its own. */
export interface ScriptStage {
  /** `step_script`, `after_script`. */
  readonly name: string
  readonly lines: readonly string[]
  /** True: `KEY=value` lines that stages before left in `GITLAB_ENV` are exported first. */
  readonly takesJobEnv: boolean
}

export interface JobScriptOptions {
  readonly shell: ShellName
  /** Unguessable: see the module on markers. */
  readonly nonce: string
  readonly jobMarker: JobMarker
  readonly paths: BuildPaths
  /** See `JobEnvironment.home`. */
  readonly home?: string | undefined
  /** See `JobEnvironment.guardsLogin`. Only bash does. */
  readonly guardsLogin?: boolean | undefined
  /** All that the script makes is open to every user: see `HelperPlace.opensFiles`. Default false. */
  readonly opensFiles?: boolean | undefined
  /** The build directory is, which the script makes, and what it is in. Default false. */
  readonly opensDirectories?: boolean | undefined
  /** All users may read file variables: a container may have several, and nobody else. Default false. */
  readonly readableFiles?: boolean | undefined
  /** What is in the build directory may belong to other users: git works there all the same. Default false. */
  readonly ignoresOwners?: boolean | undefined
  readonly variables: ShellVariables
  /** Given in the first script of a job: makes the build directory, writes file variables and gets the sources. */
  readonly prepare?: { readonly strategy: GitStrategy; readonly git: GitSources | undefined }
  readonly stages: readonly ScriptStage[]
  /** Shows each command as the shell runs it (`CI_DEBUG_TRACE`). */
  readonly debugTrace: boolean
  /** Whether commands of several lines are shown whole, in sections of their own (`FF_SCRIPT_SECTIONS`). */
  readonly scriptSections: boolean
  /**
   * In the last script of a job: removes file variables and what else is in the temporary directory. `but job env`:
   * what steps left in `GITLAB_ENV`, if they did, stays and is told of.
   */
  readonly cleanUp: boolean | 'but job env'
}

/**
 * The script that one command of a job runs: everything that can share a round trip, to the check that nothing was left
 * running. It starts no process that it need not start: a job whose directory exists costs one fork for its script.
 *
 * The job's own lines run in subshells with their standard input from nowhere; whatever they do to themselves, the
 * shell around them goes on, says how they ended (`markers.ts`), and looks whether they left something. That shell has
 * no variables of its own that they could see: it keeps the login's directory in `$1` and the status so far in `$2`.
 * All of it stands in one `{ … }`, so that a part of it never runs without the rest. Thrown: `JobError`
 * `limit_exceeded`.
 */
export function jobScript(options: JobScriptOptions): Buffer {
  const { nonce, paths, prepare } = options
  const directory = quote(paths.projectDir)
  const text: string[] = ['{ unset s; exec 2>&1; set -- "$PWD" 0']
  const guardsLogin = options.guardsLogin === true && options.shell === 'bash'
  if (guardsLogin) text.push(takeStartFiles)
  if (options.opensFiles === true) text.push('umask 0')
  const [firstStage, ...otherStages] = options.stages
  // Markers that come right after each other are one write.
  let opening = firstStage === undefined ? [] : [firstStage.name]

  if (prepare === undefined) {
    text.push(`cd ${directory} || set -- "$1" 1`)
  } else {
    text.push(`{ ${prepareDirectory(options, prepare.strategy)}${writeFiles(options)}; } || set -- "$1" 1`)
    text.push('if [ $2 = 0 ]; then')
    const read = 'read -r s </proc/sys/kernel/hostname || s=$(uname -n); '
    const host = { read, bodies: ['host %s %s'], words: ['"$s"', '"$1"'] }
    if (prepare.git === undefined) {
      text.push(begin(nonce, ['get_sources', ...opening], host), 'unset s', 'fi')
      opening = []
    } else {
      text.push(begin(nonce, ['get_sources'], host), 'unset s', getSources(options, prepare.git), 'fi')
    }
    // Nothing of the job's own runs any more: what this shell keeps is seen by nobody.
    text.push(`if [ $2 != 0 ]; then ${probeDisk(quote(paths.buildsDir))}`)
    text.push(`case $rc_e in ?*) ${emitMarkers(nonce, ['unwritable %s %s %s'], troubleWords)} ;; esac; fi`)
  }
  if (firstStage !== undefined) text.push(runStage(options, firstStage, opening))
  for (const stage of otherStages) text.push(runStage(options, stage, [stage.name]))

  text.push(...cleanUp(options))
  // From here to the end of what it is part of: to send it away for each command costs more than the command.
  text.push('exec 2>/dev/null')
  if (guardsLogin) text.push(putBackStartFiles(emitMarkers(nonce, ['unkept'])))
  text.push(
    quickCheck(options.jobMarker, options.shell),
    `if rc_quick; then rc_s=swept; else rc_s=unswept; fi`,
    emitMarkers(nonce, ['end %s %s', '%s'], ['"$2"', '"$rc_t"', '$rc_s']),
    ':\n}\n',
  )
  let length = 0
  for (const part of text) length += part.length
  if (length > longestScript) throw limitExceeded('the generated script', `${longestScript} characters`)
  return Buffer.from(text.join('\n'))
}

/** Each of the job's scripts has all variables in it, quoted. */
const longestScript = 64 * 1024 * 1024

function cleanUp({ cleanUp: what, nonce, paths }: JobScriptOptions): string[] {
  if (what === false) return []
  const [temporary, jobEnv] = [quote(paths.temporaryDir), quote(jobEnvFile(paths))]
  const all = `set -- "$1" "$2" ${inDirectory(temporary)}; if ${isThere(3)}; then rm -rf ${temporary}; fi`
  if (what === true) return [all]
  const others = `for rc_l in ${inDirectory(temporary)}; do [ "$rc_l" = ${jobEnv} ] || rm -rf "$rc_l"; done`
  return [`if [ -s ${jobEnv} ]; then ${emitMarkers(nonce, ['jobenv'])}; ${others}; else ${all}; fi`]
}

/** What is in a directory: two words at least, which are none where there is nothing. */
function inDirectory(directory: string): string {
  return `${directory}/* ${directory}/.[!.]*`
}

/** Whether one of two parameters, the first of which has this number, is there, be it a link that leads nowhere. */
function isThere(number: number): string {
  return [number, number + 1].map((parameter) => `[ -e "$${parameter}" ] || [ -h "$${parameter}" ]`).join(' || ')
}

/** Shell text that gets the sources, in tries; `$1` is the login's directory and `$2` the status so far. */
export function getSources(
  options: Pick<
    JobScriptOptions,
    'nonce' | 'paths' | 'home' | 'guardsLogin' | 'ignoresOwners' | 'variables' | 'debugTrace'
  >,
  git: GitSources,
): string {
  const directory = quote(options.paths.projectDir)
  const fresh = `cd "$1" && rm -rf ${directory} && mkdir -p ${directory} && cd ${directory}`
  const withoutGit = `command -v git >/dev/null || { ${emitMarkers(options.nonce, ['failed git_missing'])}`
  const enter = git.strategy === 'clone' ? [`{ ${fresh}; } || exit`] : []
  const hasPreScript = git.preScript.length > 0
  return [
    ...(hasPreScript ? [] : [`${withoutGit}; set -- "$1" 1; }`]),
    'while [ $2 = 0 ]; do',
    '(',
    ...(hasPreScript ? [] : enter),
    exportVariables(options),
    ownConfiguration(options),
    ...(options.debugTrace ? ['set -x'] : []),
    ...(hasPreScript
      ? [
          // In a function, so that it has parameters of its own: the login's directory is still needed. It may install
          // git, and may end in any directory.
          `set -e; cd "$1"; rc_h() { eval ${quote(stepScript(git.preScript, quote))}; }; rc_h; unset -f rc_h`,
          `${withoutGit}; exit 1; }`,
          ...(git.strategy === 'clone' ? enter : [`cd "$1" && cd ${directory}`]),
        ]
      : []),
    'set --; set -e',
    gitScript(git),
    ') </dev/null',
    // Tries so far, and the pause before the next one.
    'set -- "$1" $? ${3:-1} ${4:-5}',
    `if [ $2 = 0 ] || [ $3 -ge ${git.attempts} ]; then break; fi`,
    // The work tree may be what is broken.
    `printf '\\033[32;1mRetrying in %ss\\033[0;m\\n' $4; sleep $4; ${fresh} && set -- "$1" 0 $(($3 + 1)) $(($4 < 150 ? $4 * 2 : 300))`,
    'done',
    `if [ $2 = 0 ]; then cd ${directory} || set -- "$1" 1; fi`,
  ].join('\n')
}

/**
 * Makes the directories where they do not stand yet, and empties the temporary one of what a job that was killed may
 * have left there.
 */
function prepareDirectory(
  { paths, opensDirectories, readableFiles }: Pick<JobScriptOptions, 'paths' | 'opensDirectories' | 'readableFiles'>,
  strategy: GitStrategy,
): string {
  const [directory, temporary] = [quote(paths.projectDir), quote(paths.temporaryDir)]
  const mode = opensDirectories === true ? '777' : readableFiles === true ? '755' : '700'
  const makeBoth = `mkdir -p ${directory} && mkdir -p -m ${mode} ${temporary}`
  const make = `${opensDirectories === true ? `( umask 0; ${makeBoth} )` : makeBoth} && cd ${directory}`
  return [
    ...(strategy === 'empty' ? [`rm -rf ${directory} &&`] : []),
    `if [ -h ${temporary} ]; then rm -f ${temporary}; fi &&`,
    `if cd ${directory} 2>/dev/null && [ -d ${temporary} ]; then :; else ${make}; fi &&`,
    `set -- "$1" ${inDirectory(temporary)} &&`,
    `if ${isThere(2)}; then rm -rf ${temporary} && mkdir -m ${mode} ${temporary}; fi &&`,
    'set -- "$1" 0',
  ].join('\n')
}

function writeFiles({ paths, variables, opensFiles, readableFiles }: JobScriptOptions): string {
  if (variables.files.length === 0) return ''
  const writes = variables.files.map(
    ({ key, value }) => `printf %s ${quote(value)} >${quote(variableFile(paths, key))}`,
  )
  return ` &&\n( ${opensFiles === true ? '' : readableFiles === true ? 'umask 022' : 'umask 077'}\n${writes.join(' &&\n')} )`
}

/** Says that stages begin, each after the other, and when; `before`: other markers. */
function begin(
  nonce: string,
  stages: readonly string[],
  before: Markers = { read: '', bodies: [], words: [] },
): string {
  const bodies = [...before.bodies, ...stages.map((stage) => `begin ${stage} %s`)]
  const words = [...before.words, ...stages.map(() => '"$rc_t"')]
  return `{ ${before.read}read -r rc_t rc_l </proc/uptime; } 2>/dev/null; ${emitMarkers(nonce, bodies, words)}; unset rc_t rc_l`
}

/** See `emitMarkers`. */
interface Markers {
  /** Shell text that reads what they need. */
  readonly read: string
  readonly bodies: readonly string[]
  readonly words: readonly string[]
}

function runStage(options: JobScriptOptions, stage: ScriptStage, opening: readonly string[]): string {
  const jobEnv = quote(jobEnvFile(options.paths))
  return [
    'if [ $2 = 0 ]; then',
    ...(opening.length > 0 ? [begin(options.nonce, opening)] : []),
    '(',
    exportVariables(options),
    ...(stage.takesJobEnv
      ? [
          `if [ -f ${jobEnv} ]; then while IFS= read -r rc_l || [ "$rc_l" ]; do export "$rc_l"; done <${jobEnv}; unset rc_l; fi`,
        ]
      : []),
    `set --; ${failFast(options.shell)}${options.debugTrace ? '; set -x' : ''}`,
    `eval ${quote(stepScript(stage.lines, quote, options.scriptSections ? options.shell : undefined))}`,
    ') </dev/null',
    'set -- "$1" $?',
    'fi',
  ].join('\n')
}

function exportVariables(options: Pick<JobScriptOptions, 'paths' | 'home' | 'guardsLogin' | 'variables'>): string {
  const known = exportsOf.get(options)
  if (known !== undefined) return known
  const text = makeExports(options)
  exportsOf.set(options, text)
  return text
}

/** One text for all of a script's stages: it may be megabytes. */
const exportsOf = new WeakMap<object, string>()

function makeExports({
  paths,
  home,
  guardsLogin,
  variables,
}: Pick<JobScriptOptions, 'paths' | 'home' | 'guardsLogin' | 'variables'>): string {
  const assignment = (key: string, value: string, file: boolean): string =>
    `${key}=${quote(file ? variableFile(paths, key) : value)}`
  return [
    `unset ${[hideSlot, ...(guardsLogin === true ? hideStartFiles : [])].join(' ')}`,
    // The job's variables may name another one.
    ...(home === undefined ? [] : [`export HOME=${quote(home)}`]),
    ['export', ...variables.exported.map(({ key, value, file }) => assignment(key, value, file))].join(' '),
    ...variables.shellOnly.map(({ key, value, file }) => `unset ${key}; ${assignment(key, value, file)}`),
  ].join('\n')
}
