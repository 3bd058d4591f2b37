import { fixedPath } from '../script/own-path.ts'
import { readStat } from '../script/process-stat.ts'
import { quote } from '../script/quote.ts'
import { directories, files } from './login-files.ts'
import { type LoginChange, loginStateDirectory } from './login-state.ts'
import { ownHome, removeHome } from './own-home.ts'
import { isSafeName } from './safe-name.ts'

/** What lived at the first look: it is no job's. */
interface SparedProcesses {
  readonly spared: readonly string[]
  /** It only counts in the boot in which it was seen. */
  readonly boot: string
}

export interface LoginScriptOptions {
  /** Unguessable, of letters and digits: a start-up file that prints a report is not believed. */
  readonly nonce: string
  /**
   * Where what is kept of the login lies, below {@link loginStateDirectory}: letters and digits. Instances that share a
   * home have different ones.
   */
  readonly key: string
  /** Keeps copies of what it finds, so that it can be put back later. Default false. */
  readonly keeps?: boolean
  /** Ends the processes that jobs left: see {@link loginScript}. Default: none is. */
  readonly ends?: Partial<SparedProcesses> | undefined
  /** Puts these back as they were when copies were kept. */
  readonly restores?: readonly LoginChange[]
  /** Makes a home for one job. */
  readonly home?:
    | {
        readonly marker: string
        readonly names: readonly string[] /** Whether those of other jobs are removed. */
        readonly isAlone: boolean
      }
    | undefined
  /** Marker of a job that is over, whose home is removed. */
  readonly over?: string | undefined
  /** Where programs are found. */
  readonly path?: string
}

/**
 * The command that runs such a script: in a shell without anything of the environment that the login's start-up files
 * made.
 */
export const loginCommand: string = `exec env -i PATH=${fixedPath} "SSH_CONNECTION=$SSH_CONNECTION" sh`

/** More would be more than a shell's start-up files are. */
const maxFiles = 1000
const maxNames = 500
const maxProcesses = 2000

/**
 * A script for `sh`, run by {@link loginCommand}, that looks at what a login keeps, as `readLoginReport` reads it. It
 * starts in the login's directory.
 *
 * What jobs left running is told by the limit of resident memory that each job's processes have (`residentLimit`) and
 * can only lower: a process of the login with any limit but this shell's own is a job's. Where the login is not root,
 * and comes from another machine, every process ends that did not live at the first look, but for those of this
 * connection: what cron, `at` or systemd started for a job has no such limit. A client on the machine itself shares it,
 * and only processes whose limits were lowered are ended there; without an SSH server's word (plugin `local`) nothing
 * is, and the user's crontab and `at` are left alone.
 */
export function loginScript(options: LoginScriptOptions): Buffer {
  const { nonce, key, keeps = false, ends, restores = [], home, over, path } = options
  return Buffer.from(`{ exec 2>/dev/null; umask 077; set -- "$PWD"${path === undefined ? '' : `; PATH=${quote(path)}`}
rc_d="$1"/${loginStateDirectory}/${quote(key)}
${readStat}
set -f; set -- "$1" $SSH_CONNECTION; set +f
if [ -z "$2" ]; then rc_how=none; elif [ "$2" = "$4" ]; then rc_how=some; elif [ "$(id -u)" = 0 ]; then rc_how=marked; else rc_how=all; fi
echo 'login ${nonce} begins'
rc_sum() { sha256sum "$@" || shasum -a 256 "$@" || cksum "$@"; }
${ends === undefined ? '' : endProcesses(ends)}
${restores.length === 0 ? '' : restore(restores)}
${look}
cd "$1" && rc_look ${keeps ? 'keep' : ''}
${home === undefined ? '' : ownHome(home)}
${over === undefined ? '' : removeHome(over)}
echo 'login ${nonce} ends'
}
`)
}

/** Whatever a name or a link's target holds, it makes no line of the report. */
const look = `rc_each() {
  if [ -h "$1" ]; then printf 'part link %s\\t%s\\n' "$1" "$(readlink "$1" | rc_sum)"; fi
  if [ -f "$1" ]; then printf 'part file %s\\t%s\\n' "$1" "$(rc_sum <"$1")"; fi
}
rc_look() {
  set -- "$1" "$PWD"
  rc_names=$(for rc_f in ${files.join(' ')}; do if [ -e "$rc_f" ] || [ -h "$rc_f" ]; then printf '%s\\n' "$rc_f"; fi; done
    find ${directories.join(' ')} ! -type d ! -name '*[!A-Za-z0-9._@:+~-]*' | grep -v '[^A-Za-z0-9._@:+~/-]' | LC_ALL=C sort | head -n ${maxFiles})
  for rc_f in $rc_names; do rc_each "$rc_f"; done
  rc_odd=$(find ${directories.join(' ')} -name '*[!A-Za-z0-9._@:+~-]*' | wc -l); printf 'part odd\\t%s\\n' "$((rc_odd))"
  if [ $rc_how != none ]; then
    rc_tab=$(crontab -l) && printf 'part crontab\\t%s\\n' "$(printf '%s\\n' "$rc_tab" | rc_sum)"
    atq | while read -r rc_j rc_x; do printf 'part at %s\\t\\n' "$rc_j"; done
    if [ -e /var/lib/systemd/linger/"$(id -un)" ]; then printf 'part linger\\t\\n'; fi
  fi
  for rc_f in * .[!.]*; do case $rc_f in *[!A-Za-z0-9._@:+~-]*) continue ;; esac; if [ -e "$rc_f" ]; then printf 'name %s\\n' "$rc_f"; fi; done | head -n ${maxNames}
  if [ "$1" != keep ]; then return; fi
  mkdir -p "$rc_d"; rm -f "$rc_d"/login.tar "$rc_d"/crontab
  if [ "$rc_names" ]; then tar -cf "$rc_d"/login.tar $rc_names; fi
  if [ "$rc_tab" ]; then printf '%s\\n' "$rc_tab" >"$rc_d"/crontab; fi
  if [ $rc_how != all ]; then return; fi
  if read -r rc_boot </proc/sys/kernel/random/boot_id; then echo "boot $rc_boot"; fi
  for rc_x in /proc/[0-9]*; do
    if [ -O "$rc_x" ]; then rc_stat \${rc_x#/proc/}; set -- \${rc_s##*) }; if [ "\${20}" ]; then echo "process \${rc_x#/proc/}:\${20}"; fi; fi
  done | head -n ${maxProcesses}
}`

/** Jobs' own limits begin at 2^58 bytes. */
const lowestMark = '288230376151711744'

function endProcesses({ spared, boot = '' }: Partial<SparedProcesses>): string {
  const others =
    spared === undefined
      ? ''
      : `elif [ $rc_how = all ]; then case ${quote(` ${spared.filter((each) => /^\d+:\d+$/.test(each)).join(' ')} `)} in *" $rc_p:\${20} "*) continue ;; esac`
  return `read -r rc_boot </proc/sys/kernel/random/boot_id
if [ $rc_how = all ] && [ "$rc_boot" != ${quote(boot)} ]; then rc_how=marked; rc_was=all; fi
rc_all() {
  rc_stat $$; set -- \${rc_s##*) }; rc_own=\${23} rc_up=$2 rc_mine=' ' rc_p=$$
  while [ "$rc_p" -gt 1 ]; do rc_mine="$rc_mine$rc_p "; rc_stat $rc_p; set -- \${rc_s##*) }; rc_p=\${2:-1}; done
  rc_n=0 rc_clean=0
  while [ $rc_clean -lt 2 ] && [ $rc_n -lt 100 ]; do
    rc_n=$((rc_n + 1)) rc_found= rc_kin=' '
    # Relays of this connection, and what they started: children of the same process of the SSH server.
    for rc_x in /proc/[0-9]*; do
      if ! [ -O "$rc_x" ]; then continue; fi
      rc_p=\${rc_x#/proc/}; rc_stat $rc_p; set -- \${rc_s##*) }
      if [ "$2" = "$rc_up" ]; then rc_kin="$rc_kin$rc_p "; fi
    done
    for rc_x in /proc/[0-9]*; do
      if ! [ -O "$rc_x" ]; then continue; fi
      rc_p=\${rc_x#/proc/}; rc_stat $rc_p; set -- \${rc_s##*) }
      case $1 in '' | Z | X) continue ;; esac
      case "$rc_mine$rc_kin" in *" $rc_p "*) continue ;; esac
      case "$rc_kin" in *" $2 "*) continue ;; esac
      if [ "\${23}" != "$rc_own" ] && [ \${#23} -lt 20 ]; then
        if [ $rc_how = some ] && [ "\${23}" -ge ${lowestMark} ]; then continue; fi
      ${others}
      else continue; fi
      rc_found="$rc_found $rc_p"; kill -KILL $rc_p
    done
    if [ "$rc_found" ]; then rc_clean=0; sleep 0.02 || sleep 1; else rc_clean=$((rc_clean + 1)); fi
  done
  for rc_p in $rc_found; do echo "left $rc_p"; done
}
if [ $rc_how != none ]; then rc_all; fi
rc_how=\${rc_was:-$rc_how}`
}

function restore(changes: readonly LoginChange[]): string {
  const words = (wanted: boolean): string =>
    [...new Set(changes.flatMap(({ part, wasThere }) => (wasThere === wanted ? (fileOf(part) ?? []) : [])))]
      .map(quote)
      .join(' ')
  const gone = [...new Set(changes.flatMap(({ part }) => fileOf(part) ?? []))].map(quote).join(' ')
  const back = words(true)
  const crontab = changes.find(({ part }) => part === 'crontab')
  const jobs = changes.flatMap(({ part, wasThere }) => (wasThere ? [] : (/^at (\w+)$/.exec(part)?.[1] ?? [])))
  return [
    'cd "$1"',
    // A link in place of a directory would lead elsewhere.
    ...(gone === '' ? [] : [`rm -rf -- ${gone}`]),
    ...(back === '' ? [] : [`tar -xf "$rc_d"/login.tar -- ${back}`]),
    ...(crontab === undefined ? [] : [crontab.wasThere ? 'crontab "$rc_d"/crontab' : 'crontab -r']),
    ...(jobs.length === 0 ? [] : [`atrm ${jobs.join(' ')}`]),
    ...(changes.some(({ part, wasThere }) => part === 'linger' && !wasThere)
      ? ['loginctl disable-linger "$(id -un)"']
      : []),
  ].join('\n')
}

function fileOf(part: string): string | undefined {
  const [, name] = /^(?:file|link) (.+)$/.exec(part) ?? []
  return name !== undefined && isSafeName(name) ? name : undefined
}
