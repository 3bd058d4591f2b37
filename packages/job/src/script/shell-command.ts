import type { ShellName } from '../job-environment.ts'
import { type JobMarker, markerAssignment, residentLimit } from './job-marker.ts'
import { hasPrint, toldPrint } from './shell-print.ts'

export interface ShellCommandOptions {
  readonly shell: ShellName
  readonly jobMarker: JobMarker
  /** Length of the script that the shell will find on its standard input. */
  readonly scriptBytes: number
  /** Whether a bash that is started anew leaves in `rc_w` what `loginShellPrint` is for. Default false. */
  readonly tellsShell?: boolean
  /**
   * What a clean bash says of itself (`loginShellPrint`) where it is known that the login's shell is a bash. Absent: it
   * may be any shell.
   */
  readonly loginPrint?: string | undefined
}

/**
 * The command line that makes a login shell, whichever it is, run a generated script from standard input. It holds no
 * secret, since anybody on the machine can read it. The shell that it starts, and so everything below it, carries both
 * markers of the job.
 *
 * A login's bash that is known is not replaced by another one, which would cost as much as all else that a short job
 * starts, unless it turns out that the login's start-up files left something in it.
 *
 * The script is read as a whole before any of it runs: a shell reads a script that it runs byte by byte, and one that
 * arrived only in part must not run.
 */
export function shellCommand({
  shell,
  jobMarker,
  scriptBytes,
  tellsShell = false,
  loginPrint,
}: ShellCommandOptions): string {
  // bash reads an exact number of bytes in large pieces on its own; other shells would read byte by byte, slower than
  // `cat` starts.
  const read = shell === 'bash' ? `IFS= LC_ALL=C read -rN ${scriptBytes} s` : 's=$(cat)'
  const start = shell === 'bash' ? 'bash --norc -c' : 'sh -c'
  // Where the limit cannot be set (a lower one is in force), the shell starts once more: then its own environment has
  // the variable.
  const mark = `export ${markerAssignment(jobMarker)}; ulimit -m ${residentLimit(jobMarker).kibibytes} 2>/dev/null || exec ${start} "$1" ${shell}; eval "$1"`
  // `:`, since one of a bash's variables is there once it has run anything.
  const tell = shell === 'bash' && tellsShell ? `:; rc_w=${toldPrint}; ` : ''
  const anew = `exec ${start} '${tell}${mark}' ${shell} '${read} && eval "$s"'`
  if (shell !== 'bash' || loginPrint === undefined) return anew
  return `:; ${hasPrint(loginPrint)} || ${anew}; trap - EXIT DEBUG ERR RETURN; set -- '${read} && eval "$s"'; ${mark}`
}
