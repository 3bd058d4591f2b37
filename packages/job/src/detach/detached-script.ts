import type { ShellName } from '../job-environment.ts'
import { emitMarkers } from '../script/markers.ts'
import { type DetachedScript, detachDirectory, detachedFile } from './detached-files.ts'

export interface DetachedScriptOptions extends DetachedScript {
  /** What `jobScript` made. */
  readonly script: Buffer
  readonly shell: ShellName
  /** That of the script's own markers. */
  readonly nonce: string
  /** Bytes of output that are kept on the machine; more is only passed on. */
  readonly limitBytes: number
  /** Whether it says, after `detached`, what is in `rc_w`: see `ShellCommandOptions.tellsShell`. */
  readonly tellsShell: boolean
}

/**
 * Makes a generated script outlive its connection, on a POSIX machine with `/proc`. The shell stays what it was, the command's process in a session of its own that the
 * SSH server made for it, and nothing tells it that its connection is gone: only its output would, and that now goes to one child, `tee`, which writes it to the connection and to a
 * file, and does without either when it cannot. It costs one process and no waiting.
 *
 * Where it cannot, or is asked to tell its shell, it says so by a marker, which is the first thing printed: `detached`; `attached` where the machine lacks something (`tee`, a directory of its own), so that the script
 * runs as if it had not been asked for; `taken` where a script of this name was started before: then it does not run. Otherwise the script's own first marker is the first of the
 * file: a login's greeting comes before. What the script prints before that marker, which is what goes wrong with its directory, is taken for a greeting.
 */
export function detachedScript(options: DetachedScriptOptions): Buffer {
  const { script, shell, nonce, tellsShell } = options
  const told = shell === 'bash' && tellsShell ? `${emitMarkers(nonce, ['detached %s'], ['"$rc_w"'])}; ` : ''
  const directory = detachDirectory(options.buildsDir)
  const file = detachedFile(options)
  const prelude = `{ set -- "$PWD"; rc_d=attached
if { { [ -d ${directory} ] || mkdir -p -m 700 ${directory}; } && [ -O ${directory} ] && command -v tee >/dev/null && read -r rc_l </proc/$$/stat; } 2>/dev/null; then
  set -C
  if { echo "$rc_l" >${file}.pid; } 2>/dev/null; then rc_d=detached${shell === 'bash' ? '' : `; mkfifo -m 600 ${file}.in 2>/dev/null || rc_d=attached`}; elif [ -e ${file}.pid ]; then rc_d=taken; fi
  set +C
fi
case $rc_d in
  detached) ${told}${relay(options, file)} ;;
  *) ${emitMarkers(nonce, ['%s'], ['$rc_d'])} ;;
esac
case $rc_d in taken) exit 0 ;; esac
unset rc_d rc_l rc_w
`
  // The script keeps the login's directory in `$1`, how its stages ended in `$2`, whether it left nothing in `rc_s`, and when that was in `rc_t`.
  const epilogue = `if [ -f ${file}.out ]; then echo "$2 $rc_s $rc_t" >>${file}.pid; fi
exit 0
}
`
  return Buffer.concat([Buffer.from(prelude), script, Buffer.from(epilogue)])
}

/** The limit of a file's size holds for `tee` alone: it loses that output and goes on with the other. `/dev/null` is the output that it never loses, or it would end. */
function relay({ shell, limitBytes }: DetachedScriptOptions, file: string): string {
  const blockBytes = shell === 'bash' ? 1024 : 512
  const tee = (input: string): string =>
    `trap '' HUP INT QUIT TERM PIPE XFSZ; umask 077; ulimit -f ${Math.ceil(limitBytes / blockBytes)}; exec tee -a ${file}.out /dev/null ${input}2>/dev/null`
  if (shell === 'bash') return `exec > >(${tee('')})`
  return `( ${tee(`<${file}.in `)} ) & exec >${file}.in`
}
